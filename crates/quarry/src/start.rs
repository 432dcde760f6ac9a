//! `quarry start`.

use crate::cli::StartArgs;
use crate::config;
use quarry_catalog::Catalog;
use quarry_common::{Result, err};
use quarry_server::Reactors;
use quarry_server::hba::Hba;
use quarry_session::Instance;
use quarry_storage::Storage;
use quarry_storage::disk::{Disk, OsDisk};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long sessions get to end at shutdown.
const STOP_LIMIT: Duration = Duration::from_secs(30);

pub fn run(args: StartArgs) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("QUARRY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,quarry=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let mut command_line = args.settings;
    if let Some(listen) = args.listen {
        command_line.push(("listen_addresses".into(), listen));
    }
    if let Some(port) = args.port {
        command_line.push(("port".into(), port.to_string()));
    }
    quarry_common::memory::when_short(quarry_storage::allocator::save_memory);
    std::fs::create_dir_all(&args.data)?;
    let data = std::fs::canonicalize(&args.data)?;
    config::write_templates(&data)?;
    let settings = config::load(&data, &command_line)?;
    let hba_path = settings.text("hba_file").to_string();
    let hba = Hba::parse(&std::fs::read_to_string(&hba_path)?)?;
    let began = Instant::now();
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::new(&data)?);
    let fresh = !Storage::is_initialised(&*disk)?;
    let storage_config = config::storage(&settings);
    let (storage, catalog) = if fresh {
        println!("Initialising a new data folder in {}", data.display());
        let storage = Storage::create(disk, storage_config)?;
        let catalog = Catalog::bootstrap(&storage)?;
        (storage, catalog)
    } else {
        let storage = Storage::open(disk, storage_config)?;
        let catalog = Catalog::open(&storage)?;
        for line in catalog.remove_leftovers() {
            tracing::warn!("{line}");
        }
        (storage, catalog)
    };
    clear_temporary_files(&data)?;
    // Accepts connections and waits for signals; sessions run on the reactors.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reactors = Reactors::start(settings.int("max_connections") as usize, runtime.handle())?;
    let mut workers = storage.start_background();
    let files = config::Files::new(data.clone(), command_line);
    let instance =
        Instance::new(storage.clone(), catalog, settings, data, quarry_server::auth::password_verifier);
    instance.set_config(Arc::new(files));
    instance.set_log(Arc::new(|lines: &str| {
        // A closed standard error is no reason to stop.
        let _ = std::io::stderr().lock().write_all(lines.as_bytes());
    }));
    quarry_session::start_autovacuum(&instance, &mut workers);
    let served = runtime.block_on(serve(instance.clone(), hba, hba_path, began, reactors.clone()));
    reactors.shutdown(Duration::from_secs(5));
    drop(runtime);
    workers.stop();
    if let Err(e) = instance.save_statistics() {
        tracing::warn!("statistics of statements were not saved: {}", e.message());
    }
    drop(instance);
    storage.shutdown()?;
    served?;
    println!("Shut down cleanly");
    Ok(())
}

/// Runs until SIGINT or SIGTERM. SIGHUP reads the settings and the authentication rules again.
async fn serve(
    instance: Arc<Instance>,
    hba: Hba,
    hba_path: String,
    began: Instant,
    reactors: Arc<Reactors>,
) -> Result<()> {
    let settings = instance.settings();
    let addresses = addresses(settings.text("listen_addresses"), settings.int("port") as u16)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let server = quarry_server::serve(instance.clone(), hba, &addresses, reactors).await?;
    for a in server.addresses() {
        println!("Ready in {} ms: postgres://postgres@{a}/postgres", began.elapsed().as_millis());
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                tracing::info!("received SIGHUP, reloading configuration files");
                reload_settings(&instance);
                reload_hba(&server, &hba_path);
            }
            // pg_reload_conf() has read the settings already.
            _ = instance.reload_requested() => reload_hba(&server, &hba_path),
        }
    }
    println!("Shutting down");
    server.stop(STOP_LIMIT).await;
    Ok(())
}

fn reload_settings(instance: &Instance) {
    match instance.reload() {
        Ok(done) => {
            for (name, value) in done.changed {
                tracing::info!("parameter \"{name}\" changed to \"{value}\"");
            }
            for name in done.pending {
                tracing::info!("parameter \"{name}\" cannot be changed without restarting the server");
            }
        }
        Err(e) => {
            tracing::error!("configuration files contain errors; no changes were applied: {}", e.message())
        }
    }
}

fn reload_hba(server: &quarry_server::ServerHandle, path: &str) {
    match std::fs::read_to_string(path).map_err(Into::into).and_then(|t| Hba::parse(&t)) {
        Ok(hba) => server.set_hba(hba),
        Err(e) => tracing::error!("{path} was not reloaded: {}", e.message()),
    }
}

fn addresses(list: &str, port: u16) -> Result<Vec<SocketAddr>> {
    list.split(',')
        .map(str::trim)
        .filter(|a| !a.is_empty())
        .map(|a| match a {
            "*" => Ok(SocketAddr::new(IpAddr::from([0u16; 8]), port)),
            "localhost" => Ok(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port)),
            a => match a.parse::<IpAddr>() {
                Ok(ip) => Ok(SocketAddr::new(ip, port)),
                Err(_) => Err(err!(CONFIG_FILE_ERROR, "invalid address to listen on: \"{a}\"")),
            },
        })
        .collect()
}

/// What statements of an earlier run spilled is of no use.
fn clear_temporary_files(data: &std::path::Path) -> Result<()> {
    let tmp = data.join("tmp");
    if tmp.exists() {
        std::fs::remove_dir_all(&tmp)?;
    }
    std::fs::create_dir_all(&tmp)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_lists() {
        assert_eq!(addresses("127.0.0.1, ::1", 5).unwrap().len(), 2);
        assert!(addresses("*", 5).unwrap()[0].ip().is_unspecified());
        assert!(addresses("nowhere", 5).is_err());
    }
}

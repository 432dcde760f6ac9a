//! Vacuum's pace: it sleeps after so much work, to spare others (PostgreSQL: vacuum_delay_point).

use super::storage_options::StorageOptions;
use crate::context::SessionContext;
use crate::signals::{Signals, WaitEvent};
use quarry_common::Result;
use quarry_common::settings::Settings;
use quarry_functions::SessionEnv;
use quarry_storage::vacuum::Work;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const DELAY: &str = "autovacuum_vacuum_cost_delay";
const LIMIT: &str = "autovacuum_vacuum_cost_limit";

/// Counts cost and sleeps when the limit is reached.
pub struct Pace {
    session: Option<Arc<SessionContext>>,
    /// Where the sleep is shown.
    signals: Option<Arc<Signals>>,
    delay: Duration,
    limit: i64,
    page_cost: i64,
    dirty_cost: i64,
    spent: AtomicI64,
}

impl Pace {
    /// VACUUM's: `vacuum_cost_delay`, and the session's cancel.
    pub fn of_session(cx: &Arc<SessionContext>) -> Pace {
        let settings = cx.settings();
        let pace =
            Pace::new(&settings, settings.real("vacuum_cost_delay"), settings.int("vacuum_cost_limit"));
        Pace { session: Some(cx.clone()), signals: Some(cx.signals.clone()), ..pace }
    }

    /// Autovacuum's: what the table says goes before its own settings, and these before VACUUM's.
    pub fn of_autovacuum(settings: &Settings, own: &StorageOptions, signals: &Arc<Signals>) -> Pace {
        let delay = [own.real(DELAY), Some(settings.real(DELAY))]
            .into_iter()
            .flatten()
            .find(|d| *d >= 0.0)
            .unwrap_or_else(|| settings.real("vacuum_cost_delay"));
        let limit = [own.int(LIMIT), Some(settings.int(LIMIT))]
            .into_iter()
            .flatten()
            .find(|n| *n > 0)
            .unwrap_or_else(|| settings.int("vacuum_cost_limit"));
        Pace { signals: Some(signals.clone()), ..Pace::new(settings, delay, limit) }
    }

    /// Which pages come from disk isn't known here, so each is charged as one that does.
    fn new(settings: &Settings, delay_ms: f64, limit: i64) -> Pace {
        let page_cost = settings.int("vacuum_cost_page_hit").max(settings.int("vacuum_cost_page_miss"));
        let dirty_cost = settings.int("vacuum_cost_page_dirty");
        Pace {
            session: None,
            signals: None,
            delay: Duration::from_secs_f64((delay_ms / 1000.0).max(0.0)),
            limit,
            page_cost,
            dirty_cost,
            spent: AtomicI64::new(0),
        }
    }

    /// After each step of the work.
    pub fn step(&self, work: Work) -> Result<()> {
        if let Some(cx) = &self.session {
            cx.check_cancelled()?;
        }
        if self.delay.is_zero() {
            return Ok(());
        }
        let cost = match work {
            Work::Nothing => return Ok(()),
            Work::Page => self.page_cost,
            Work::Changed => self.page_cost + self.dirty_cost,
        };
        // Relaxed: one thread counts.
        if self.spent.fetch_add(cost, Ordering::Relaxed) + cost >= self.limit {
            self.spent.store(0, Ordering::Relaxed);
            let sleep = || quarry_common::wait::blocking(|| std::thread::sleep(self.delay));
            match &self.signals {
                Some(signals) => signals.waiting(WaitEvent::VacuumDelay, sleep),
                None => sleep(),
            }
        }
        Ok(())
    }
}

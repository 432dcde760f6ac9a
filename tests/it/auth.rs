//! Who may connect: rules in pg_hba.conf's format, SCRAM-SHA-256, roles without login.

use quarry_testkit::psql;
use quarry_testkit::server::{Options, Server};
use quarry_testkit::temp::TempDir;

use crate::support::{connect, run, sqlstate, text};

/// A stopped cluster with roles, whose pg_hba.conf is the one given.
fn cluster(label: &str, setup: &str, hba: &str) -> (TempDir, Server) {
    let dir = TempDir::new(label);
    let data = dir.path().join("data");
    let server = Server::start(&data, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    psql::execute(&server.target(), "postgres", setup).unwrap_or_else(|e| panic!("{e}"));
    server.terminate().unwrap_or_else(|e| panic!("{e}"));
    std::fs::write(data.join("pg_hba.conf"), hba).expect("the data folder is writable");
    let server = Server::start(&data, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    (dir, server)
}

async fn login(server: &Server, rest: &str) -> Result<String, String> {
    let url = format!("host=127.0.0.1 port={} {rest}", server.port());
    match connect(&url).await {
        Ok(client) => Ok(text(&client, "SELECT current_user || '@' || current_database()").await),
        Err(e) => Err(sqlstate(&e).to_owned()),
    }
}

#[test]
fn scram_passwords() {
    let setup = "CREATE ROLE alice LOGIN PASSWORD 'correct horse'; CREATE ROLE bob LOGIN; \
                 CREATE ROLE carol LOGIN PASSWORD 'pässwörd ☃'; CREATE ROLE nologin PASSWORD 'x'; \
                 CREATE ROLE old LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01'";
    let hba = "# postgres may always come in, so that tests can look\n\
               host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let (_dir, server) = cluster("scram", setup, hba);
    run(async {
        let good = "user=alice password='correct horse' dbname=postgres";
        assert_eq!(login(&server, good).await, Ok("alice@postgres".to_owned()));
        assert_eq!(
            login(&server, "user=carol password='pässwörd ☃' dbname=postgres").await,
            Ok("carol@postgres".to_owned())
        );
        for bad in [
            "user=alice password=wrong dbname=postgres",
            "user=alice password='' dbname=postgres",
            "user=bob password=anything dbname=postgres",
            "user=nosuch password=anything dbname=postgres",
            "user=old password=x dbname=postgres",
        ] {
            assert_eq!(login(&server, bad).await, Err("28P01".to_owned()), "{bad}");
        }
        assert_eq!(login(&server, "user=nologin password=x dbname=postgres").await, Err("28000".to_owned()));
        let admin = connect(&server.url("postgres")).await.unwrap();
        admin
            .batch_execute("ALTER ROLE alice PASSWORD 'new one'; ALTER ROLE bob PASSWORD 'b'")
            .await
            .unwrap();
        assert_eq!(login(&server, good).await, Err("28P01".to_owned()));
        assert_eq!(
            login(&server, "user=alice password='new one' dbname=postgres").await,
            Ok("alice@postgres".to_owned())
        );
        assert_eq!(
            login(&server, "user=bob password=b dbname=postgres").await,
            Ok("bob@postgres".to_owned())
        );
        let stored = text(&admin, "SELECT rolpassword FROM pg_authid WHERE rolname = 'bob'").await;
        assert!(stored.starts_with("SCRAM-SHA-256$4096:"), "{stored}");
        // A verifier made elsewhere can be stored as it is.
        admin.batch_execute(&format!("CREATE ROLE dora LOGIN PASSWORD '{stored}'")).await.unwrap();
        assert_eq!(
            login(&server, "user=dora password=b dbname=postgres").await,
            Ok("dora@postgres".to_owned())
        );
    });
}

#[test]
fn the_first_matching_rule_decides() {
    let setup = "CREATE ROLE app LOGIN PASSWORD 'p'; CREATE ROLE grp; CREATE ROLE member LOGIN IN ROLE grp; \
                 CREATE ROLE stranger LOGIN";
    let hba = "host all postgres 127.0.0.1/32 trust\n\
               host appdb app 127.0.0.1/32 trust\n\
               host postgres app 127.0.0.1 255.255.255.255 scram-sha-256\n\
               host all app 0.0.0.0/0 reject\n\
               host all +grp samehost trust\n\
               host all stranger 10.0.0.0/8 trust\n";
    let (_dir, server) = cluster("hba", setup, hba);
    run(async {
        let admin = connect(&server.url("postgres")).await.unwrap();
        admin.batch_execute("CREATE DATABASE appdb").await.unwrap();
        admin.batch_execute("CREATE DATABASE otherdb").await.unwrap();
        assert_eq!(login(&server, "user=app dbname=appdb").await, Ok("app@appdb".to_owned()));
        assert_eq!(
            login(&server, "user=app password=p dbname=postgres").await,
            Ok("app@postgres".to_owned())
        );
        assert_eq!(login(&server, "user=app password=q dbname=postgres").await, Err("28P01".to_owned()));
        assert_eq!(login(&server, "user=app password=p dbname=otherdb").await, Err("28000".to_owned()));
        assert_eq!(login(&server, "user=member dbname=otherdb").await, Ok("member@otherdb".to_owned()));
        assert_eq!(login(&server, "user=stranger dbname=postgres").await, Err("28000".to_owned()));
        assert_eq!(login(&server, "user=postgres dbname=nosuch").await, Err("3D000".to_owned()));
        assert_eq!(login(&server, "user=nosuch dbname=postgres").await, Err("28000".to_owned()));
    });
}

#[test]
fn databases_are_apart() {
    let server = Server::fresh("databases");
    run(async {
        let admin = connect(&server.url("postgres")).await.unwrap();
        admin.batch_execute("CREATE DATABASE one").await.unwrap();
        admin.batch_execute("CREATE DATABASE two").await.unwrap();
        let one = connect(&server.url("one")).await.unwrap();
        let two = connect(&server.url("two")).await.unwrap();
        one.batch_execute("CREATE TABLE t (v text); INSERT INTO t VALUES ('in one')").await.unwrap();
        two.batch_execute("CREATE TABLE t (v int); INSERT INTO t VALUES (2)").await.unwrap();
        assert_eq!(text(&one, "SELECT v FROM t").await, "in one");
        assert_eq!(text(&two, "SELECT v FROM t").await, "2");
        assert_eq!(sqlstate(&admin.simple_query("SELECT v FROM t").await.unwrap_err()), "42P01");
        // Roles belong to all of them.
        one.batch_execute("CREATE ROLE everywhere").await.unwrap();
        assert_eq!(text(&two, "SELECT count(*) FROM pg_roles WHERE rolname = 'everywhere'").await, "1");
        assert_eq!(sqlstate(&admin.batch_execute("DROP DATABASE one").await.unwrap_err()), "55006");
        assert_eq!(sqlstate(&one.batch_execute("DROP DATABASE one").await.unwrap_err()), "55006");
        admin.batch_execute("DROP DATABASE one WITH (FORCE)").await.unwrap();
        assert_eq!(sqlstate(&connect(&server.url("one")).await.map(drop).unwrap_err()), "3D000");
        assert_eq!(text(&two, "SELECT v FROM t").await, "2");
    });
}

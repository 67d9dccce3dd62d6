//! The stores that are measured, and the servers that they need.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;
use whence_test_support::kurrentdb_double::Double;

use crate::args::Args;
use crate::kind::StoreKind;
use crate::machine;

/// An eighth of the master key: nodes that share a store have no default for it. The stores are
/// removed after the run.
const MASTER_KEY: &str = "0123cafe";

/// The factory of stores.
pub(crate) struct Stores {
    parent: PathBuf,
    server: Option<Server>,
    made: AtomicUsize,
    runtime: Runtime,
}

/// A store to measure. Its files are removed with this value, its database with the server.
pub(crate) struct Target {
    pub(crate) kind: StoreKind,
    /// The flags of `whence serve` for this store.
    pub(crate) flags: Vec<String>,
    /// The URL of its database.
    pub(crate) url: Option<String>,
    directory: Option<TempDir>,
    /// The server, when this process runs it.
    pub(crate) double: Option<Double>,
}

impl Target {
    /// Returns the directory of its files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Stores {
    /// Starts the servers that the stores of this run need.
    pub(crate) fn start(args: &Args, parent: &Path) -> anyhow::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("double").enable_all().build()?;
        let needed = args.store.iter().any(|kind| *kind != StoreKind::Sqlite);
        let server = if needed { Some(Server::start(&runtime)?) } else { None };
        Ok(Self { parent: parent.to_owned(), server, made: AtomicUsize::new(0), runtime })
    }

    /// Makes an empty store.
    pub(crate) fn make(&self, kind: StoreKind) -> anyhow::Result<Target> {
        let (mut url, mut directory, mut double) = (None, None, None);
        let flags: Vec<_> = match kind {
            StoreKind::Sqlite => {
                let files = TempDir::new_in(&self.parent).context("no directory for the data")?;
                let flag = format!("sqlite:{}", files.path().display());
                directory = Some(files);
                vec!["--store".to_owned(), flag]
            }
            StoreKind::Postgres => {
                let database = url.insert(self.database()?);
                vec!["--store".to_owned(), database.clone()]
            }
            StoreKind::KurrentdbDouble => {
                let database = url.insert(self.database()?);
                let server = double.insert(self.runtime.block_on(Double::single())?);
                let flags = ["--store".to_owned(), server.url()];
                flags.into_iter().chain(["--read-db".to_owned(), database.clone()]).collect()
            }
        };
        let flags = flags
            .into_iter()
            .chain(Self::master_key().into_iter().filter(|_| url.is_some()))
            .collect();
        Ok(Target { kind, flags, url, directory, double })
    }

    /// Returns the flags of the master key that stores of several nodes have.
    pub(crate) fn master_key() -> [String; 2] {
        ["--master-key".to_owned(), MASTER_KEY.repeat(8)]
    }

    /// Creates a database.
    fn database(&self) -> anyhow::Result<String> {
        let server = self.server.as_ref().context("no server was started")?;
        let name = format!("bench_{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.runtime.block_on(async {
            let client = connect(&server.url).await?;
            // An interrupted run may have left one.
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
            client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
            let (host, _) = server.url.rsplit_once('/').context("a URL without a database")?;
            Ok(format!("{host}/{name}"))
        })
    }
}

/// A Postgres server, which is removed when this value is dropped.
struct Server {
    url: String,
}

impl Server {
    const NAME: &str = "bench";

    fn start(runtime: &Runtime) -> anyhow::Result<Self> {
        let url = script(&["cluster", Self::NAME, "--durable"])?;
        let server = Self { url };
        runtime.block_on(async {
            let client = connect(&server.url).await?;
            let sql = "SELECT pg_backend_pid(), current_setting('fsync') = 'on'
                         AND current_setting('synchronous_commit') = 'on'
                         AND current_setting('full_page_writes') = 'on',
                       version(), current_setting('data_directory')";
            let row = client.query_one(sql, &[]).await?;
            ensure!(row.get::<_, bool>(1), "the server of the benchmark is not durable");
            machine::count_children_of_parent_of(row.get::<_, i32>(0).unsigned_abs());
            let version: String = row.get(2);
            let data: String = row.get(3);
            println!(
                "{}, fsync and synchronous_commit on, data on {}",
                version.split(" on ").next().unwrap_or("Postgres"),
                machine::file_system(Path::new(&data))
            );
            anyhow::Ok(())
        })?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data belongs to the benchmark.
        let _ = script(&["remove", Self::NAME]);
    }
}

fn script(words: &[&str]) -> anyhow::Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../postgres");
    let output = Command::new(script).args(words).output().context("scripts/postgres")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "scripts/postgres {}: {stderr}", words.join(" "));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Connects to a database of the benchmark.
pub(crate) async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

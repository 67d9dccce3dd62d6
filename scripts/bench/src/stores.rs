//! The stores that are measured: where they are, and what has to run for them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

use crate::args::Args;
use crate::machine;
use whence_test_support::kurrentdb_double::Double;

/// A store that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Two files
    Sqlite,
    /// A server that the benchmark starts, with fsync and `synchronous_commit=on`
    Postgres,
    /// The client of KurrentDB, over a double in memory: shows what the client costs
    KurrentdbDouble,
}

impl Kind {
    /// What it is called in a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
            Self::KurrentdbDouble => "KurrentDB double",
        }
    }
}

/// Of stores that are gone after the run, eight times over: what nodes share has no default.
const MASTER_KEY: &str = "0123cafe";

/// What stores are made in.
pub(crate) struct Stores {
    parent: PathBuf,
    server: Option<Server>,
    made: AtomicUsize,
    runtime: Runtime,
}

/// An empty store. Its files go with this value, its database with the server.
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// What `whence serve` is told.
    pub(crate) flags: Vec<String>,
    /// The database of it.
    pub(crate) url: Option<String>,
    directory: Option<TempDir>,
    _double: Option<Double>,
}

impl Place {
    /// The directory of its files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Stores {
    /// Starts what the stores of this run need.
    pub(crate) fn start(args: &Args, parent: &Path) -> anyhow::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("double").enable_all().build()?;
        let needed = args.store.iter().any(|kind| *kind != Kind::Sqlite);
        let server = if needed { Some(Server::start(&runtime)?) } else { None };
        Ok(Self { parent: parent.to_owned(), server, made: AtomicUsize::new(0), runtime })
    }

    /// An empty store.
    pub(crate) fn make(&self, kind: Kind) -> anyhow::Result<Place> {
        self.make_as(kind, true)
    }

    /// An empty store; `prompt`: its double, if it is one, delays no acknowledgement.
    pub(crate) fn make_as(&self, kind: Kind, prompt: bool) -> anyhow::Result<Place> {
        let (mut url, mut directory, mut double) = (None, None, None);
        let flags: Vec<_> = match kind {
            Kind::Sqlite => {
                let files = TempDir::new_in(&self.parent).context("no directory for the data")?;
                let flag = format!("sqlite:{}", files.path().display());
                directory = Some(files);
                vec!["--store".to_owned(), flag]
            }
            Kind::Postgres => {
                let database = url.insert(self.database()?);
                vec!["--store".to_owned(), database.clone()]
            }
            Kind::KurrentdbDouble => {
                let database = url.insert(self.database()?);
                let server = double.insert(self.runtime.block_on(Double::single())?);
                if prompt {
                    server.be_prompt();
                }
                let flags = ["--store".to_owned(), server.url()];
                flags.into_iter().chain(["--read-db".to_owned(), database.clone()]).collect()
            }
        };
        let key = ["--master-key".to_owned(), MASTER_KEY.repeat(8)];
        let flags = flags.into_iter().chain(key.into_iter().filter(|_| url.is_some())).collect();
        Ok(Place { kind, flags, url, directory, _double: double })
    }

    /// A database of its own.
    fn database(&self) -> anyhow::Result<String> {
        let server = self.server.as_ref().context("no server was started")?;
        let name = format!("bench_{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.runtime.block_on(async {
            let client = connect(&server.url).await?;
            // What a run that was broken off left behind.
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
            client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
            let (host, _) = server.url.rsplit_once('/').context("a URL without a database")?;
            Ok(format!("{host}/{name}"))
        })
    }
}

/// A Postgres that ends with this value.
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
        // What it held was the benchmark's own.
        let _ = script(&["remove", Self::NAME]);
    }
}

fn script(words: &[&str]) -> anyhow::Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../postgres");
    let output = Command::new(script).args(words).output().context("scripts/postgres")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "scripts/postgres {}: {said}", words.join(" "));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A connection of the benchmark's own.
pub(crate) async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

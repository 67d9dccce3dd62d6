//! A KurrentDB that does not let whence in: `serve`, `doctor` and `copy` say why in one sentence, which
//! is the same for all of them.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::operations::logs::{KEY, copy, fill};
use crate::support::{Service, contents, serve_and_fail, whence};
use whence_test_support::kurrentdb_double::{Certificate, Double};
use whence_test_support::postgres::{Database, database};

/// The password of every user here.
const PASSWORD: &str = "hunter2";

/// A directory with a log to copy, and a database for the keys.
struct Operator {
    directory: TempDir,
    vault: Database,
}

impl Operator {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fill(&directory.path().join("one"), 2).await;
        Self { directory, vault: database().await }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the flags of a service over a log.
    fn flags<'a>(&'a self, url: &'a str) -> Vec<&'a str> {
        vec!["--store", url, "--read-db", self.vault.url(), "--master-key", KEY]
    }

    /// Insists on this sentence, on exit code 1, and on nothing having changed in the directory.
    #[track_caller]
    fn hears(&self, url: &str, trouble: &str, advice: &str) {
        let hosts = url.split_once("//").unwrap().1.split('?').next().unwrap();
        let hosts = hosts.rsplit('@').next().unwrap().replace(',', ", ");
        let (served, examined, copied) = std::thread::scope(|scope| {
            let serve = || serve_and_fail(self.path(), &self.flags(url));
            let doctor = || whence(self.path()).arg("doctor").args(self.flags(url)).output();
            let beside = ["--read-db", self.vault.url()];
            let (serve, doctor) = (scope.spawn(serve), scope.spawn(doctor));
            let copy = scope.spawn(move || copy(self.path(), "sqlite:one", url, &beside));
            (serve.join().unwrap(), doctor.join().unwrap().unwrap(), copy.join().unwrap())
        });
        let sentence =
            format!("whence: cannot open the log in KurrentDB at {hosts}: {trouble}: {advice}");
        assert_eq!(String::from_utf8(served.stderr).unwrap(), format!("{sentence}\n"));
        assert_eq!(served.status.code(), Some(1));
        assert_eq!(copied.unwrap_err(), sentence);
        let said = String::from_utf8(examined.stdout).unwrap();
        let line =
            format!("FAIL connection: cannot reach KurrentDB at {hosts}: {trouble}: {advice}");
        assert!(said.lines().any(|said| said == line), "{line}\n{said}");
        assert_eq!(examined.status.code(), Some(1));
        assert!(!said.contains(PASSWORD), "{said}");
        // The log that was to be copied is in files of its own.
        let one = self.path().join("one");
        let is_new = |path: &PathBuf| path.is_file() && !path.starts_with(&one);
        let left: Vec<_> = contents(self.path()).into_keys().filter(is_new).collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "something was left behind");
    }
}

/// An authority, its file, and servers' certificates that it has signed.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut root = CertificateParams::new(vec![]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name.push(rcgen::DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        Self { folder: TempDir::new().unwrap(), issuer }
    }

    /// Returns the file that clients trust.
    fn file(&self) -> PathBuf {
        let path = self.folder.path().join("ca.pem");
        std::fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// Returns the certificate of a server, until the end of a year.
    fn certificate(&self, name: &str, year: i32) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
        certificate.not_after = date_time_ymd(year, 12, 31);
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        Certificate { chain: certificate.pem(), key: key.serialize_pem() }
    }

    fn url(&self, double: &Double) -> String {
        format!("{}&tlsCaFile={}", double.url(), self.file().display())
    }
}

fn address(double: &Double) -> String {
    let url = double.url();
    url.strip_prefix("kurrentdb://").unwrap().split('?').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_without_password_or_right() {
    let operator = Operator::new().await;
    let double = Double::single().await.unwrap();
    double.add_user("admin", PASSWORD, &["$admins"]);
    double.add_user("ann", PASSWORD, &[]);
    operator.hears(
        &double.url_as("ann", "hunter22"),
        "KurrentDB does not know the user ann with this password",
        "correct them in the connection string, where both are taken as they are written, without \
         percent-encoding",
    );
    operator.hears(
        &double.url(),
        "KurrentDB lets nobody read $all without a user, and the connection string names none",
        "write kurrentdb://USER:PASSWORD@HOST:PORT",
    );
    operator.hears(
        &double.url_as("ann", PASSWORD),
        "the user ann may not read $all",
        "as an administrator append to the stream $$$all an event of type $metadata with the data \
         {\"$acl\":{\"$r\":[\"$admins\",\"ann\"]}}",
    );
    // What the sentence says is what helps.
    double.set_metadata("$all", r#"{"$acl":{"$r":["$admins","ann"]}}"#);
    let url = double.url_as("ann", PASSWORD);
    let log = ["--log", "whence::cli=info"];
    let service = Service::start(operator.path(), &[&operator.flags(&url)[..], &log].concat());
    assert_eq!(service.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_on_one_side_only() {
    let operator = Operator::new().await;
    let plain = Double::single().await.unwrap();
    operator.hears(
        &plain.url().replace("tls=false", "tls=true"),
        &format!(
            "the server at {} speaks without TLS, and the connection string wants it",
            address(&plain)
        ),
        "give the server a certificate, or write tls=false into the connection string of a network \
         that is trusted",
    );
    let authority = Authority::new("ours");
    let encrypted = Double::with_tls(&authority.certificate("127.0.0.1", 2961)).await.unwrap();
    operator.hears(
        &encrypted.url().replace("tls=true", "tls=false"),
        &format!(
            "the server at {} speaks TLS, and the connection string says tls=false",
            address(&encrypted)
        ),
        "leave tls=false out",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_not_accepted() {
    let operator = Operator::new().await;
    let (ours, another) = (Authority::new("ours"), Authority::new("another"));
    let double = Double::with_tls(&ours.certificate("127.0.0.1", 2961)).await.unwrap();
    let at = address(&double);
    operator.hears(
        &another.url(&double),
        &format!(
            "the certificate of {at} is not trusted: no authority in tlsCaFile={} has signed it",
            another.file().display()
        ),
        "name the certificate of the authority that signed it with tlsCaFile=",
    );
    let missing = another.file().with_file_name("missing.pem");
    operator.hears(
        &format!("{}&tlsCaFile={}", double.url(), missing.display()),
        &format!(
            "tlsCaFile={} cannot be read: No such file or directory (os error 2)",
            missing.display()
        ),
        "name a file in PEM format that whence may read",
    );
    double.show_certificate(&ours.certificate("db.example.com", 2961)).unwrap();
    operator.hears(
        &ours.url(&double),
        &format!("the certificate of {at} is of another name: it has db.example.com"),
        "write a name of it into the connection string, or give the server a certificate of this \
         one",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_leader_and_too_old() {
    let operator = Operator::new().await;
    let double = Double::cluster().await.unwrap();
    double.depose();
    operator.hears(
        &double.url(),
        "no node of the cluster leads: 3 of 3 are alive",
        "start the other nodes: a majority of them elects the leader",
    );
    let double = Double::single().await.unwrap();
    double.set_version("22.2.0");
    operator.hears(
        &double.url(),
        &format!("KurrentDB 22.2.0 at {} is too old", address(&double)),
        "upgrade to 23.10 or later",
    );
}

/// The link goes on while its connection lasts. When it is lost, the log says why there is no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expires_while_the_link_is_up() {
    let operator = Operator::new().await;
    let ours = Authority::new("ours");
    let mut double = Double::with_tls(&ours.certificate("127.0.0.1", 2961)).await.unwrap();
    let (url, at) = (ours.url(&double), address(&double));
    let log = ["--log", "whence=warn,whence::cli=info"];
    let mut service = Service::start(operator.path(), &[&operator.flags(&url)[..], &log].concat());
    double.show_certificate(&ours.certificate("127.0.0.1", 2001)).unwrap();
    let ready = format!("http://{}/readyz", service.address);
    assert_eq!(reqwest::get(&ready).await.unwrap().status(), 200);

    double.kill(0).await;
    double.revive(0).await.unwrap();
    let expired = format!("the certificate of {at} expired at 2001-12-31T00:00:00Z");
    let line = service.line_with("expired");
    assert!(line.contains("no connection to KurrentDB") && line.contains(&expired), "{line}");
    double.show_certificate(&ours.certificate("127.0.0.1", 2961)).unwrap();
    while reqwest::get(&ready).await.unwrap().status() != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

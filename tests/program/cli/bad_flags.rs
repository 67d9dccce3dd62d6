//! Flags that cannot work: one sentence each, exit code 1, and nothing on disk.

use tempfile::TempDir;

use crate::support::{contents, refused, serve_and_fail, whence};

/// Refused in an empty directory, which stays empty.
#[track_caller]
fn refused_at_once(flags: &[&str], sentence: &str) {
    refused(TempDir::new().unwrap().path(), flags, sentence);
}

#[test]
fn unknown_flags_and_commands() {
    refused_at_once(
        &["--lissten", "127.0.0.1:0"],
        "unexpected argument '--lissten' found; tip: a similar argument exists: '--listen' \
         (see --help)",
    );
    refused_at_once(&["now"], "unexpected argument 'now' found (see --help)");
    let directory = TempDir::new().unwrap();
    let output = whence(directory.path()).arg("docter").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "whence: unrecognized subcommand 'docter'; tip: some similar subcommands exist: 'code', 'doctor' \
         (see --help)\n"
    );
    assert_eq!(output.status.code(), Some(1));
    // Nothing said at all: help, and no success.
    let output = whence(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: whence <COMMAND>"));
}

#[test]
fn addresses_and_urls() {
    refused_at_once(
        &["--listen", "localhost"],
        "invalid value 'localhost' for '--listen <ADDR>': invalid socket address syntax \
         (see --help)",
    );
    refused_at_once(
        &["--public-url", "www.example.com"],
        "invalid value 'www.example.com' for '--public-url <URL>': relative URL without a base \
         (see --help)",
    );
    refused_at_once(
        &["--public-url", "ftp://example.com"],
        "--public-url ftp://example.com/: not an http or https URL",
    );
    refused_at_once(
        &["--public-url", "http://localhost/?a=b"],
        "--public-url http://localhost/?a=b: links begin with it, so it has no ? and no #",
    );
    refused_at_once(
        &["--public-url", "http://ada:secret@localhost/"],
        "--public-url holds a user name or a password, and everybody will see it",
    );
    refused_at_once(
        &["--landing-url", "mailto:a@example.com"],
        "--landing-url mailto:a@example.com: not an http or https URL",
    );
    refused_at_once(
        &["--login-url", "javascript:alert(1)"],
        "--login-url javascript:alert(1): not an http or https URL",
    );
    refused_at_once(
        &["--allowed-origin", "https://example.com/"],
        "--allowed-origin https://example.com/: not an origin like https://www.example.com",
    );
    refused_at_once(
        &["--allowed-origin", "https://example.com,*"],
        "--allowed-origin *: not an origin like https://www.example.com: relative URL without a \
         base",
    );
    refused_at_once(
        &["--trusted-proxy", "10.0.0.0/33"],
        "--trusted-proxy 10.0.0.0/33: not a network: invalid IP address syntax",
    );
    refused_at_once(
        &["--trusted-proxy", "10.0.0.0/8", "--client-address-header", "X Y"],
        "--client-address-header X Y: not a header name",
    );
    refused_at_once(
        &["--country-header", "cloudflare"],
        "--country-header needs a --trusted-proxy, whose headers alone count",
    );
}

#[test]
fn stores_and_mail() {
    for store in ["data", "sqlite:", "host=db password=hunter2", "ada:hunter2@db/whence"] {
        refused_at_once(
            &["--store", store],
            "--store: the ways to write it are sqlite:DIR, postgres://... and kurrentdb://...",
        );
    }
    for store in ["postgres://ada:open@hunter2@db/whence", "postgres://ada:open/hunter2@db/whence"]
    {
        refused_at_once(
            &["--store", store],
            "--store: a user or password in a Postgres URL is percent-encoded: @ is %40, / is %2F, \
             ? is %3F and # is %23",
        );
    }
    let postgres = "postgres://ada:hunter2@db.example.com/whence";
    refused_at_once(
        &["--store", postgres],
        "--master-key has to be given for a store that several nodes share: 64 hexadecimal digits, \
         such as `openssl rand -hex 32` prints",
    );
    refused_at_once(
        &["--store", "postgres://ada:hunter2@db.example.com/whence?sslmode=maybe"],
        "--store: sslmode is disable, prefer, require, verify-ca or verify-full",
    );
    refused_at_once(
        &["--store", "kurrentdb://ada:hunter2@db.example.com:2113"],
        "--store kurrentdb://... needs --read-db postgres://..., for the read models and for keys \
         that can be destroyed",
    );
    refused_at_once(
        &["--store", "kurrentdb://:hunter2", "--read-db", postgres],
        "--store: the address of KurrentDB is not a connection string",
    );
    refused_at_once(&["--read-db", postgres], "--read-db is for a kurrentdb store");
    refused_at_once(
        &["--mail", "sendmail"],
        "--mail: mail must be `directory:DIR`, `smtp://HOST`, `smtps://HOST` or `memory`",
    );
    refused_at_once(
        &["--mail", "directory:"],
        "--mail: `directory:` needs the directory that mails are written to, as in \
         `directory:mails`",
    );
    refused_at_once(
        &["--mail", "memory"],
        "--mail memory: nobody could read the mails of a running service; directory:DIR and \
         smtp://HOST are the ways",
    );
    refused_at_once(
        &["--mail-from", "nobody"],
        "--mail-from and --site-name: the sender of mails has no valid e-mail address",
    );
    refused_at_once(
        &["--site-name", "Two\nlines"],
        "--mail-from and --site-name: the sender of mails needs a name of one line and at most \
         200 bytes",
    );
}

#[test]
fn rules() {
    for days in ["0", "401"] {
        refused_at_once(
            &["--referral-window-days", days],
            &format!(
                "invalid value '{days}' for '--referral-window-days <N>': {days} is not in 1..=400 \
                 (see --help)"
            ),
        );
    }
    refused_at_once(
        &["--referral-grace-hours", "1000000"],
        "invalid value '1000000' for '--referral-grace-hours <N>': 1000000 is not in 0..=87600 \
         (see --help)",
    );
    refused_at_once(
        &["--referral-model", "middle"],
        "invalid value 'middle' for '--referral-model <MODEL>'; [possible values: first, last] \
         (see --help)",
    );
    refused_at_once(
        &["--record-touches", "some"],
        "invalid value 'some' for '--record-touches <WHICH>'; [possible values: all, campaign, \
         none] (see --help)",
    );
    refused_at_once(
        &["--referrer-url", "half"],
        "invalid value 'half' for '--referrer-url <HOW_MUCH>'; [possible values: origin, path, \
         whole] (see --help)",
    );
    refused_at_once(
        &["--blocked-country", "DE,Germany"],
        "--blocked-country Germany: not a country code",
    );
    for flag in [
        "--referral-velocity-cap",
        "--session-cache",
        "--starts-per-client",
        "--verifies-per-client",
    ] {
        refused_at_once(
            &[flag, "many"],
            &format!(
                "invalid value 'many' for '{flag} <N>': invalid digit found in string \
                      (see --help)"
            ),
        );
    }
}

#[test]
fn domains_of_cookies() {
    refused_at_once(
        &["--cookie-domain", "under_score"],
        "--cookie-domain under_score: not a host name",
    );
    refused_at_once(
        &["--cookie-domain", "example.com"],
        "--cookie-domain example.com: browsers take no cookie for it from 127.0.0.1, the host of \
         --public-url",
    );
    // The last two: with a dot in front and in capitals; a suffix of a company that rents out names.
    for (host, suffix) in [
        ("login.example.co.uk", "co.uk"),
        ("login.example.uk", "uk"),
        ("login.example.com.de", "com.de"),
        ("login.example.test", "test"),
        ("a.b.co.jp", ".CO.JP"),
        ("a.github.io", "github.io"),
    ] {
        let public = format!("https://{host}");
        refused_at_once(
            &["--public-url", &public, "--development", "--cookie-domain", suffix],
            &format!(
                "--cookie-domain {suffix}: unrelated hosts share this suffix, so browsers take no \
                 cookie for it"
            ),
        );
    }
    refused_at_once(
        &["--public-url", "http://localhost:8080", "--cookie-domain", "localhost"],
        "--cookie-domain localhost: unrelated hosts share this suffix, so browsers take no cookie \
         for it",
    );
    refused_at_once(
        &["--cookie-domain", "127.0.0.1"],
        "--cookie-domain 127.0.0.1: browsers share no cookie of an address; leave it out",
    );
}

#[test]
fn origins_and_hosts() {
    refused_at_once(
        &["--allowed-origin", "null"],
        "--allowed-origin null: not an origin like https://www.example.com: relative URL without a \
         base",
    );
    for origin in [
        "https://example.com/app",
        "https://example.com?x",
        "https://ada@example.com",
        "https://EXAMPLE.com",
        "https://example.com:443",
        "file:///",
    ] {
        refused_at_once(
            &["--allowed-origin", origin],
            &format!("--allowed-origin {origin}: not an origin like https://www.example.com"),
        );
    }
    for origin in ["https://*.example.com", "https://app.*", "http://a..b"] {
        refused_at_once(
            &["--allowed-origin", origin],
            &format!(
                "--allowed-origin {origin}: no host is called that; each origin is written out, \
                 without *"
            ),
        );
    }
    for host in [
        "*.example.com",
        "https://pay.example.com",
        "pay.example.com/",
        "pay.example.com/return",
        "ada@pay.example.com",
        "pay example.com",
        "..",
    ] {
        refused_at_once(
            &["--excluded-referrer", host],
            &format!(
                "--excluded-referrer {host}: not a host like pay.example.com, which stands for all \
                 hosts below it as well"
            ),
        );
    }
    refused_at_once(
        &["--public-url", "https://*.example.com", "--development"],
        "--public-url https://*.example.com/: no host is called that",
    );
}

#[test]
fn names_of_cookies_and_filters_of_the_log() {
    refused_at_once(&["--host-cookie-prefix"], "--host-cookie-prefix needs an https --public-url");
    refused_at_once(
        &["--log", "whence=loud"],
        "--log whence=loud: not a filter like info or whence=debug,info: error parsing level \
         filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or \
         a number 0-5",
    );
}

#[test]
fn files_that_are_not_there_or_not_what_they_should_be() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("broken.mmdb"), "not a database").unwrap();
    let missing = "No such file or directory (os error 2)";
    refused(
        directory.path(),
        &["--geoip", "none.mmdb"],
        &format!("the country database none.mmdb cannot be read: {missing}"),
    );
    refused(
        directory.path(),
        &["--geoip", "broken.mmdb"],
        "the country database broken.mmdb is not a usable mmdb file: invalid database: could not \
         find MaxMind DB metadata in file",
    );
    refused(
        directory.path(),
        &["--disposable-domains", "none.txt"],
        &format!("cannot read --disposable-domains none.txt: {missing}"),
    );
}

#[test]
fn production_refuses_development_choices() {
    refused_at_once(
        &["--public-url", "http://login.example.com"],
        "--public-url http://login.example.com/ is not this machine and not https: session \
         cookies would travel in clear (--development allows it)",
    );
    refused_at_once(
        &["--public-url", "https://login.example.com"],
        "--mail directory keeps mails on this machine, but --public-url \
         https://login.example.com/ is not this machine: nobody would get a code (--development \
         allows it)",
    );
    refused_at_once(
        &["--public-url", "https://login.example.com", "--mail", "directory:mails"],
        "--mail directory keeps mails on this machine, but --public-url \
         https://login.example.com/ is not this machine: nobody would get a code (--development \
         allows it)",
    );
}

#[test]
fn development_is_for_this_machine_alone() {
    let alone = "--development is for this machine alone, and";
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let directory = TempDir::new().unwrap();
        let output = serve_and_fail(directory.path(), &["--development", "--listen", listen]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(alone) && said.contains(" is open to others\n"), "{said}");
        assert!(contents(directory.path()).is_empty());
    }
    refused_at_once(
        &["--development", "--store", "postgres://127.0.0.1/x", "--master-key", &"ab".repeat(32)],
        "--development keeps its log in files: its test addresses are no accounts for a log that \
         several nodes share",
    );
}

#[test]
fn no_secret_is_ever_repeated() {
    let secret = "c0ffee".repeat(11); // too long by two digits
    let directory = TempDir::new().unwrap();
    refused(
        directory.path(),
        &["--master-key", &secret],
        "--master-key is not 64 hexadecimal digits",
    );
    for way in [
        "smtp://ada:hunter2@",
        "smtp://ada:hunter2@mail.example.com?tls=maybe",
        "smtps://ada:hunter2@mail.example.com?tls=none",
        "smpt://ada:hunter2@mail.example.com",
    ] {
        let output = serve_and_fail(directory.path(), &["--mail", way]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("whence: --mail: "), "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
        assert_eq!((stderr.lines().count(), output.status.code()), (1, Some(1)), "{stderr}");
    }
    let store = ["--store", "postgres://ada:hunter2@db.example.com/x"];
    let output = serve_and_fail(directory.path(), &store);
    assert!(!String::from_utf8(output.stderr).unwrap().contains("hunter2"));
    assert!(contents(directory.path()).is_empty());
}

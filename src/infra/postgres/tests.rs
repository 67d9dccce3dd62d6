use super::*;

#[track_caller]
fn refused(url: &str) -> String {
    let error = PostgresUrl::parse(url).unwrap_err().to_string();
    assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    error
}

#[track_caller]
fn parsed(url: &str) -> PostgresUrl {
    PostgresUrl::parse(url).unwrap()
}

#[test]
fn what_is_no_url_is_refused_without_its_password() {
    let no_url = "a Postgres URL looks like postgres://user@host/database";
    for url in ["", "host=localhost password=hunter2", "mysql://u:hunter2@host/db", "postgres://"] {
        assert_eq!(refused(url), no_url, "{url}");
    }
    for (url, why) in [
        ("postgres://u:hunter2@host:port/db", "invalid value for option `port`"),
        ("postgres://u:hunter2@host/db?color=red", "it has an unknown parameter"),
        ("postgres://u:hunter2@host/db?connect_timeout=soon", "invalid value for option"),
    ] {
        let said = refused(url);
        assert!(said.starts_with("this is no Postgres URL: ") && said.contains(why), "{said}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let url = parsed("postgres://u:hunter2@one:1,two:2/db?application_name=hunter");
    assert_eq!(url.to_string(), "one:1,two:2/db");
    assert_eq!(format!("{url:?}"), "PostgresUrl(one:1,two:2/db)");
    assert_eq!(parsed("postgresql://u@host").to_string(), "host:5432/u");
}

#[test]
fn each_sslmode_means_something() {
    let security = |parameters| security(parameters).unwrap();
    let (rest, mode, trust) = security("a=b&sslmode=verify-full&c=d");
    assert_eq!((&rest[..], mode, trust), ("a=b&c=d", SslMode::Require, Trust::System));
    for (parameters, mode, trust) in [
        ("", SslMode::Prefer, Trust::Any),
        ("sslmode=disable", SslMode::Disable, Trust::Any),
        ("sslmode=prefer", SslMode::Prefer, Trust::Any),
        ("sslmode=require", SslMode::Require, Trust::System),
        ("sslmode=verify-ca", SslMode::Require, Trust::System),
        ("sslmode=require&sslrootcert=a%2Fb", SslMode::Require, Trust::File("a/b".into())),
    ] {
        assert_eq!(security(parameters), (String::new(), mode, trust), "{parameters}");
    }
    for (parameters, why) in [
        ("sslmode=allow", "sslmode is disable, prefer, require, verify-ca or verify-full"),
        ("sslrootcert=x", "sslrootcert needs sslmode=verify-full"),
        ("sslmode=require&sslrootcert=nowhere.pem", "cannot read sslrootcert nowhere.pem: "),
    ] {
        let said = refused(&format!("postgres://u:hunter2@host/db?{parameters}"));
        assert!(said.starts_with(why), "{said}");
    }
}

#[test]
fn whatever_the_url_leaves_unbounded_is_bounded() {
    let config = parsed("postgres://u@a,b/db").config;
    assert_eq!(config.get_connect_timeout(), Some(&(CONNECT_TIMEOUT / 2)));
    assert_eq!(config.get_tcp_user_timeout(), Some(&TCP_USER_TIMEOUT));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    assert_eq!(config.get_application_name(), Some("whence"));
    // A pooler would refuse them.
    assert_eq!(config.get_options(), None);

    let url = "postgres://u@a/db?connect_timeout=7&application_name=x";
    let config = parsed(url).config;
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(7)));
    assert_eq!(config.get_application_name(), Some("x"));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::Any);
}

#[test]
fn a_password_that_is_not_encoded_is_refused_and_not_repeated() {
    for url in [
        "postgres://u:open@hunter2@host/db",
        "postgres://u:open/hunter2@host/db",
        "postgres://u:open?hunter2@host/db",
        "postgres://u:1234?hunter2@host/db",
        "postgres://u:open#hunter2/x@host/db",
        "postgres://u:1/hunter2@host:5432/db?sslmode=disable",
        "postgres://u@host/db?password=a@hunter2",
    ] {
        let said = refused(url);
        assert!(said.starts_with("a user or password in a Postgres URL is percent-enc"), "{said}");
    }
    let said = refused("postgres://u@host/db?password=a&hunter2=b");
    let why = "this is no Postgres URL: it has an unknown parameter (a & in a value is %26)";
    assert_eq!(said, why);
    assert_eq!(parsed("postgres://u:hunter2%40x@host/db").to_string(), "host:5432/db");
    assert_eq!(parsed("postgres://u:hunter2#x@host/db").to_string(), "host:5432/db");
}

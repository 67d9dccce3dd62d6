//! The calls of the portal family as people make them with curl, over each store.

use serde_json::Value;
use whence_test_support::postgres;

use crate::shell::Shell;

/// A login that leaves its access token in the file `token`.
const LOG_IN: &str = r#"
API=http://127.0.0.1:8080/api/v1
field() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/"; }
request=$(curl -s $API/auth/login/start -H 'Content-Type: application/json' \
  -d '{"email":"ada@example.com","utmSource":"newsletter","firstLandingPage":"/pricing","consent":"granted"}' | field requestId)
code=$(cat whence-data/mail/*.eml | grep -Eo '^ {4}[0-9]{6}' | tail -n 1 | tr -d ' ')
curl -s $API/auth/login -H 'Content-Type: application/json' \
  -d "{\"requestId\":\"$request\",\"code\":\"$code\"}" | field accessToken >token
"#;

/// Every field of a snapshot, in the order of the answer.
const FIELDS: [&str; 13] = [
    "referredBy",
    "referralCode",
    "firstReferrerUrl",
    "firstLandingPage",
    "acquiredViaCreatorId",
    "utmSource",
    "utmMedium",
    "utmCampaign",
    "utmTerm",
    "utmContent",
    "registrationDevice",
    "registrationCountry",
    "createdAt",
];

#[test]
fn curl_reads_a_snapshot_with_a_token_and_with_nothing_else() {
    check(&mut Shell::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_a_snapshot_over_postgres() {
    let database = postgres::database().await;
    check(&mut Shell::over(database.url()));
}

#[track_caller]
fn check(shell: &mut Shell) {
    shell.serve("whence serve");
    let (code, said) = shell.run(LOG_IN);
    assert_eq!(code, Some(0), "{said}");

    let (status, answer) = curl(shell, r#"-H "Authorization: Bearer $(cat token)""#);
    assert_eq!((status, &answer["success"]), (200, &Value::Bool(true)), "{answer}");
    let data = answer["data"].as_object().unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), FIELDS, "{answer}");
    assert_eq!(
        (&data["utmSource"], &data["firstLandingPage"]),
        (&"newsletter".into(), &"/pricing".into())
    );
    assert_eq!((&data["referredBy"], &data["utmTerm"]), (&Value::Null, &Value::Null), "{answer}");
    let created_at = data["createdAt"].as_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(created_at).is_ok(), "{created_at}");
    assert_eq!(created_at.len(), "2026-01-05T09:00:00.000Z".len(), "{created_at}");

    // Without a token, as a page shows the call; with a token of nobody; with one whose end is cut off.
    let nobody = "-X GET";
    let wrong = r#"-H "Authorization: Bearer nobody""#;
    let cut = r#"-H "Authorization: Bearer $(head -c 100 token)""#;
    for arguments in [nobody, wrong, cut] {
        let (status, answer) = curl(shell, arguments);
        assert_eq!((status, &answer["success"]), (401, &Value::Bool(false)), "{answer}");
        let error = &answer["error"];
        assert_eq!(error["code"], "AUTH_UNAUTHORIZED", "{answer}");
        assert_eq!(error["i18nKey"], "auth.login.invalid_credentials", "{answer}");
        assert!(error["message"].is_string() && error["i18nVars"].is_object(), "{answer}");
        assert!(error["details"].is_array(), "{answer}");
        let id = error["correlationId"].as_str().unwrap();
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{answer}");
    }

    // A snapshot is never changed.
    let (status, answer) =
        curl(shell, r#"-X PATCH -H "Authorization: Bearer $(cat token)" -d '{"utmSource":"me"}'"#);
    assert_eq!((status, &answer["error"]["code"]), (405, &"METHOD_NOT_ALLOWED".into()));
}

/// Asks for the snapshot, and returns the status and the body.
#[track_caller]
fn curl(shell: &Shell, arguments: &str) -> (u16, Value) {
    let url = "http://127.0.0.1:8080/api/v1/users/attribution";
    let (code, said) = shell.run(&format!("curl -s -w '\\n%{{http_code}}' \"{url}\" {arguments}"));
    assert_eq!(code, Some(0), "{said}");
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).expect(body))
}

//! How calls fail, and what they need, for the specification: a route names it as a type.
//!
//! `Refusals<(SignedIn, Csrf, SlugTaken)>` among the `responses` of a route says that it needs a session
//! and its CSRF token, and which errors it answers. Extractors say it of themselves; the types of this
//! file say the rest. `describe.rs` makes responses of it once the path tells which family they are for.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::response::{Response, ResponseBuilder};
use whence_events::CorrelationId;

use crate::http::error::described::DescribedProblem;
use crate::http::error::{AddressProblem, ApiKeyProblem, Family, HandleProblem, Problem};

/// The name under which the refusals of an operation stand until they become responses.
pub(super) const REFUSALS: &str = "x-refusals";

/// What a caller proves, each by a security scheme of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The session cookie.
    Session,
    /// The token of the session, repeated in a header.
    Csrf,
    /// An access token.
    Bearer,
    /// An operator's token.
    Operator,
    /// The key of a back-end.
    ApiKey,
    /// The token of the metrics.
    MetricsToken,
    /// The refresh token in its cookie; an app sends it in the body.
    Refresh,
}

impl Need {
    /// Returns the name of the security scheme.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Csrf => "csrf",
            Self::Bearer => "bearer",
            Self::Operator => "operator",
            Self::ApiKey => "apiKey",
            Self::MetricsToken => "metricsToken",
            Self::Refresh => "refresh",
        }
    }
}

/// What the parts of a route add up to.
#[derive(Default)]
pub(crate) struct Facts {
    problems: Vec<Problem>,
    /// Ways to prove who calls, each of which is enough; a way may need several things.
    ways: Vec<Vec<Need>>,
    /// Whether the call can do without.
    optional: bool,
    /// Whether browsers get errors as pages.
    pages: bool,
}

impl Facts {
    /// Adds problems, each once.
    pub(crate) fn fail(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    /// Adds a way to prove who calls.
    pub(crate) fn allow(&mut self, need: Need) {
        self.ways.push(vec![need]);
    }

    /// Adds a thing that a caller by session needs besides.
    fn with_session(&mut self, need: Need) {
        self.ways
            .iter_mut()
            .filter(|way| way.contains(&Need::Session))
            .for_each(|way| way.push(need));
    }

    fn to_json(&self) -> Value {
        let family = |family| -> Vec<_> {
            let id = example_id();
            self.problems.iter().map(|problem| answer(&problem.described(family, id))).collect()
        };
        let mut security: Vec<Value> = self
            .ways
            .iter()
            .map(|way| way.iter().map(|need| (need.scheme().to_owned(), json!([]))).collect())
            .collect();
        if self.optional && !security.is_empty() {
            security.insert(0, json!({}));
        }
        json!({
            "console": family(Family::Console),
            "portal": family(Family::Portal),
            "security": security,
            "pages": self.pages,
        })
    }
}

fn answer(described: &DescribedProblem) -> Value {
    let headers: Vec<_> = described.headers.iter().map(http::HeaderName::as_str).collect();
    json!({
        "status": described.status,
        "code": described.code,
        "message": described.message,
        "body": described.body,
        "headers": headers,
    })
}

/// Returns the id of the requests of the examples.
fn example_id() -> CorrelationId {
    CorrelationId(uuid::uuid!("0192a7c4-3b63-7066-9b4a-50728dbe3f06"))
}

/// Returns what every operation can answer, as [`Refusals`] puts it.
pub(super) fn of_every_route() -> Value {
    let mut facts = Facts::default();
    facts.fail([Problem::InvalidHost, Problem::InvalidQuery]);
    facts.fail([Problem::Internal, Problem::Unavailable]);
    facts.to_json()
}

/// A part of a route that can refuse a call.
pub(crate) trait Refuses {
    /// Adds what the part needs, and how it refuses.
    fn add_to(facts: &mut Facts);
}

/// The refusals of a route, as the `responses` of its specification.
pub(crate) struct Refusals<T>(PhantomData<T>);

impl<T: Refuses> IntoResponses for Refusals<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut facts = Facts::default();
        T::add_to(&mut facts);
        let extensions: Extensions = [(REFUSALS, facts.to_json())].into_iter().collect();
        let response = ResponseBuilder::new().extensions(Some(extensions)).build();
        [(REFUSALS.to_owned(), RefOr::T(response))].into()
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: Refuses),*> Refuses for ($($name,)*) {
            fn add_to(_facts: &mut Facts) {
                $($name::add_to(_facts);)*
            }
        }
    };
}

tuples!();
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);

/// The token of the session in `X-CSRF-Token`; to be named after what allows a session.
pub(crate) enum Csrf {}

impl Refuses for Csrf {
    fn add_to(facts: &mut Facts) {
        facts.with_session(Need::Csrf);
        facts.fail([Problem::CsrfMissing, Problem::CsrfInvalid, Problem::CrossSite]);
    }
}

/// Nothing has to be proven, although it can be: to be named after what allows it.
pub(crate) enum OrNobody {}

impl Refuses for OrNobody {
    fn add_to(facts: &mut Facts) {
        facts.optional = true;
    }
}

/// A session that can be one that is over.
pub(crate) enum AnySession {}

impl Refuses for AnySession {
    fn add_to(facts: &mut Facts) {
        facts.allow(Need::Session);
        facts.fail([Problem::SeveralSessions]);
    }
}

/// The refresh token of a session.
pub(crate) enum RefreshCookie {}

impl Refuses for RefreshCookie {
    fn add_to(facts: &mut Facts) {
        facts.allow(Need::Refresh);
        facts.optional = true;
    }
}

/// Browsers get a page in the place of an error.
pub(crate) enum ErrorAsPage {}

impl Refuses for ErrorAsPage {
    fn add_to(facts: &mut Facts) {
        facts.pages = true;
    }
}

/// The token of the metrics.
pub(crate) enum OfMetrics {}

impl Refuses for OfMetrics {
    fn add_to(facts: &mut Facts) {
        facts.allow(Need::MetricsToken);
        facts.fail([Problem::NotFound, Problem::Unauthenticated]);
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident: $($problem:expr),+;)+) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}

        impl Refuses for $name {
            fn add_to(facts: &mut Facts) {
                facts.fail([$($problem),+]);
            }
        }
    )+};
}

reasons! {
    /// A page of another site makes the call.
    CrossSite: Problem::CrossSite;
    /// A store that other programs write to can hold what this one does not understand.
    Command: Problem::HistoryChanged;
    /// There is nothing of that name.
    NotFound: Problem::NotFound;
    /// There is no such user, or no longer.
    UserNotFound: Problem::UserNotFound;
    /// No user has the code.
    CodeNotFound: Problem::CodeNotFound;
    /// There is no such API key.
    ApiKeyNotFound: Problem::ApiKey(ApiKeyProblem::NotFound);
    /// There is no such user, for back-ends.
    NoSuchUser: Problem::ApiKey(ApiKeyProblem::NoSuchUser);
    /// The API key is over.
    ApiKeyOver: Problem::ApiKey(ApiKeyProblem::Over), Problem::ApiKey(ApiKeyProblem::TooManySecrets);
    /// Too many calls.
    RateLimited: Problem::RateLimited { retry_after_seconds: 60 };
    /// The e-mail address is none, or there is no mail for it.
    InvalidEmail: Problem::InvalidEmail, Problem::EmailUnsupported;
    /// A typed address is none.
    NoEmail: Problem::InvalidEmail;
    /// No mail goes out.
    MailUnavailable: Problem::MailUnavailable { retry_after_seconds: 60 };
    /// The code of a login is not right, or the login is over.
    WrongCode: Problem::InvalidRequest, Problem::InvalidCode;
    /// The login is right, and no session comes of it.
    NoSession: Problem::Suspended, Problem::Address(AddressProblem::Moved), Problem::SessionIssueFailed;
    /// The login of the session is not recent.
    LoginNotRecent: Problem::LoginNotRecent;
    /// The account cannot have the address.
    AddressTaken: Problem::Address(AddressProblem::Taken), Problem::Suspended;
    /// An operator cannot move the account.
    NotMoved: Problem::Address(AddressProblem::Taken), Problem::Address(AddressProblem::ChangeOpen),
        Problem::Address(AddressProblem::UserSuspended),
        Problem::Address(AddressProblem::UserLeaves);
    /// The account has the address already.
    AddressUnchanged: Problem::Address(AddressProblem::Unchanged);
    /// A field is not what it can be.
    InvalidParameter: Problem::InvalidParameter("reason is 1 to 500 characters without control characters.");
    /// A field of the portal family is not what it can be.
    InvalidField: Problem::InvalidField(crate::http::error::PortalField {
        name: "consent",
        why: "It has to be unknown, granted or denied.",
    });
    /// The log-out did not take place.
    LogoutFailed: Problem::LogoutFailed;
    /// The refresh token is none, or was exchanged before.
    WrongRefreshToken: Problem::RefreshInvalid, Problem::RefreshReused;
    /// The chosen code cannot be had.
    WrongSlug: Problem::SlugInvalid, Problem::SlugReserved, Problem::SlugTaken;
    /// The chosen handle cannot be had.
    WrongHandle: Problem::Handle(HandleProblem::Invalid), Problem::Handle(HandleProblem::Reserved),
        Problem::Handle(HandleProblem::Taken), Problem::Handle(HandleProblem::Confusable),
        Problem::Handle(HandleProblem::Limit);
    /// The body is not JSON.
    InvalidJson: Problem::InvalidJson;
    /// The log holds an event of a newer version.
    UnknownEvent: Problem::UnknownEvent;
    /// One rebuild runs at a time.
    RebuildUnderWay: Problem::RebuildUnderWay;
}

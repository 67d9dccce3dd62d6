//! The groups of calls, as readers look for them.

/// A group of calls.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
}

const LOGIN: &str = "Login";
const ACCOUNT: &str = "Account";
const SESSIONS: &str = "Sessions";
const REFERRALS: &str = "Referrals";
const LANDINGS: &str = "Landings";
const PORTAL: &str = "Portal";
const BACKENDS: &str = "Back-ends";
const SERVICES: &str = "Services";
const LOG: &str = "Log";
const OPERATORS: &str = "Operators";
const SERVICE: &str = "Service";

/// The groups, in the order of their use.
pub(super) const GROUPS: [Group; 11] = [
    Group { name: LOGIN, about: "Log in by a mailed code, with cookies." },
    Group { name: ACCOUNT, about: "What users change, take along and erase." },
    Group { name: SESSIONS, about: "Sessions and known devices of a user." },
    Group {
        name: REFERRALS,
        about: "Codes, invitees, creators, and the decision about a referral.",
    },
    Group { name: LANDINGS, about: "How visitors get the cookies that credit a referrer." },
    Group {
        name: PORTAL,
        about: "The portal family: login with bearer tokens, and what a user reads.",
    },
    Group {
        name: BACKENDS,
        about: "What back-ends of the platform read and write with an API key.",
    },
    Group { name: SERVICES, about: "For proxies and other services: who makes this request?" },
    Group { name: LOG, about: "Proofs that the log is unaltered." },
    Group { name: OPERATORS, about: "What operators look up and do, each time on record." },
    Group { name: SERVICE, about: "Health, numbers, and this specification." },
];

/// The beginnings of paths and their groups; the first that fits counts.
const PLACES: &[(&str, &str)] = &[
    ("/v1/auth/email/start", LOGIN),
    ("/v1/auth/email/verify", LOGIN),
    ("/v1/auth/logout", LOGIN),
    ("/v1/auth/token", LOGIN),
    ("/v1/auth/sessions", SESSIONS),
    ("/v1/auth/devices", SESSIONS),
    ("/v1/auth/attribute", REFERRALS),
    ("/v1/auth/forward", SERVICES),
    ("/v1/auth/introspect", SERVICES),
    ("/v1/auth/", ACCOUNT),
    ("/v1/referrals/", REFERRALS),
    ("/v1/creators/", REFERRALS),
    ("/v1/touch/forward", SERVICES),
    ("/v1/touch", LANDINGS),
    ("/touch.js", LANDINGS),
    ("/r", LANDINGS),
    ("/creators/", LANDINGS),
    ("/api/v1/auth/", PORTAL),
    ("/api/v1/users/attribution/batch", BACKENDS),
    ("/api/v1/users/{id}", BACKENDS),
    ("/api/v1/analytics/", BACKENDS),
    ("/api/", PORTAL),
    ("/.well-known/", SERVICES),
    ("/v1/log/", LOG),
    ("/v1/admin/", OPERATORS),
];

/// Returns the name of the group of a path.
pub(super) fn group_of(path: &str) -> &'static str {
    let place = PLACES.iter().find(|(beginning, _)| match *beginning {
        "/r" => path == "/r" || path.starts_with("/r/"),
        beginning => path.starts_with(beginning),
    });
    place.map_or(SERVICE, |(_, group)| group)
}

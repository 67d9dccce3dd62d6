//! Closed vocabularies. Their JSON spelling is stored for ever: add, never rename.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares a closed set of words: one spelling for JSON, for `as_str` and for `parse`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value of a stored spelling.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What kind of device a request came from.
    DeviceClass {
        /// A phone.
        Mobile = "mobile",
        /// A tablet.
        Tablet = "tablet",
        /// A desktop or laptop computer.
        Desktop = "desktop",
        /// A television or set-top box.
        Tv = "tv",
        /// Known to be none of these.
        Other = "other",
    }
}

words! {
    /// How a user proves who they are.
    Provider {
        /// A one-time code by e-mail.
        Email = "email",
    }
}

words! {
    /// What carries a session.
    SessionKind {
        /// A browser cookie.
        Cookie = "cookie",
        /// Bearer and refresh tokens.
        Bearer = "bearer",
    }
}

words! {
    /// Why a session ended before its time.
    RevokeReason {
        /// The user logged out.
        Logout = "logout",
        /// The user ended it from another session.
        Revoked = "revoked",
        /// The user ended all of them.
        RevokedAll = "revoked_all",
        /// A rotated refresh token was used again.
        TokenReuse = "token_reuse",
        /// The user was erased.
        Erased = "erased",
        /// An operator ended it.
        Admin = "admin",
    }
}

words! {
    /// What a referral code is.
    CodeKind {
        /// Made by whence at onboarding.
        Primary = "primary",
        /// Chosen by its owner.
        Custom = "custom",
    }
}

words! {
    /// What an audit was about.
    AuditSubject {
        /// One user.
        User = "user",
        /// One referral code.
        Code = "code",
        /// The referrals of a time.
        Referrals = "referrals",
        /// Events as they stand in the log.
        Events = "events",
    }
}

words! {
    /// Where a referral decision was made.
    Via {
        /// While the code of a login was verified.
        Verify = "verify",
        /// By the attribute call.
        Attribute = "attribute",
        /// By an operator.
        Admin = "admin",
    }
}

words! {
    /// Why an attempt did not attribute; rules version 1, in order of decision.
    Refusal {
        /// The user was attributed before.
        AlreadyAttributed = "already_attributed",
        /// Nothing to decide on.
        NoCookie = "no_cookie",
        /// Bad shape or bad MAC.
        InvalidCookie = "invalid_cookie",
        /// The code was never issued.
        UnknownCode = "unknown_code",
        /// The code was disabled before the touch.
        CodeInactive = "code_inactive",
        /// The owner of the code is erased or suspended.
        ReferrerIneligible = "referrer_ineligible",
        /// Decided more than the window after the touch.
        WindowExpired = "window_expired",
        /// The account is older than the touch, or older than the grace.
        NotNewUser = "not_new_user",
        /// The owner is the user, or has the same normalised address.
        SelfReferral = "self_referral",
        /// The user is an ancestor of the owner.
        CircularReferral = "circular_referral",
        /// Strict mode only.
        BlockedByPolicy = "blocked_by_policy",
        /// Anything else; kept and retried.
        InternalError = "internal_error",
    }
}

words! {
    /// What was noticed about an attempt; recorded, never a reason by itself.
    Signal {
        /// Visitor and referrer share a network (IPv4 /24, IPv6 /48).
        SameNetwork = "same_network",
        /// Visitor and referrer share address and user agent.
        SameIpAndUa = "same_ip_and_ua",
        /// The visitor's mail domain is disposable.
        DisposableEmail = "disposable_email",
        /// The referrer was credited unusually often in the last 24 hours.
        Velocity = "velocity",
        /// The touch carried an advertiser's click id.
        PaidClickId = "paid_click_id",
        /// The touch was made by a bot.
        BotTouch = "bot_touch",
        /// Less than ten seconds from touch to registration.
        FastConversion = "fast_conversion",
        /// Touch and registration came from different countries.
        CountryMismatch = "country_mismatch",
        /// The cookie was a bare code, without time or MAC.
        UnsignedCookie = "unsigned_cookie",
    }
}

words! {
    /// Class of a mail delivery failure; never the text of the mail server.
    DeliveryFailure {
        /// The server refused the message or the recipient for good.
        Rejected = "rejected",
        /// The server could not take it now.
        Deferred = "deferred",
        /// No connection, or it was dropped.
        Unreachable = "unreachable",
        /// No answer in time.
        TimedOut = "timed_out",
        /// TLS or authentication with the server failed.
        Untrusted = "untrusted",
        /// The message could not be made or written.
        Local = "local",
    }
}

words! {
    /// What the `?ref=` of a landing was.
    CodeStatus {
        /// There was none.
        None = "none",
        /// Well-formed and issued.
        Known = "known",
        /// Well-formed, never issued.
        Unknown = "unknown",
        /// Not a code.
        Malformed = "malformed",
    }
}

words! {
    /// What the `Referer` of a landing was.
    ReferrerKind {
        /// There was none.
        None = "none",
        /// Another site: the only one that is kept.
        Foreign = "foreign",
        /// A page of the platform itself.
        Own = "own",
        /// A site that visitors pass through on their way back (payment, OAuth).
        Excluded = "excluded",
        /// Not the address of a site.
        Malformed = "malformed",
    }
}

words! {
    /// What the visitor has agreed to, as far as the platform says.
    Consent {
        /// Nobody said anything.
        Unknown = "unknown",
        /// The visitor agreed.
        Granted = "granted",
        /// The visitor refused.
        Denied = "denied",
    }
}

words! {
    /// `Sec-Fetch-Site` of a landing (W3C Fetch Metadata).
    FetchSite {
        /// Typed in, a bookmark, or a link from a mail program.
        None = "none",
        /// The same origin.
        SameOrigin = "same-origin",
        /// The same site.
        SameSite = "same-site",
        /// Another site.
        CrossSite = "cross-site",
    }
}

/// ISO 3166-1 alpha-2 country code, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// Two ASCII letters, in any case. The codes that stand for "nobody knows" (`XX`, `ZZ`, and
    /// `T1` by its shape) are `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [a, b] = *text.as_bytes() else {
            return None;
        };
        let code = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
        let known = code.iter().all(u8::is_ascii_uppercase) && &code != b"XX" && &code != b"ZZ";
        known.then_some(Self(code))
    }

    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a country code"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Country {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Country".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Z]{2}$" })
    }
}

//! Whence they came, and who referred them.

use whence_events::{AttributionCaptured, Country, DeviceClass, Pii};

use super::{Repeats, Set, Table, bytes, columns, text_or_null};

pub(super) static ORIGIN_ADDED: Set = Set {
    table: Table::Attributions,
    repeats: Repeats::Never,
    sql: &[
        "INSERT INTO read.attributions (user_id, first_referrer_url, first_landing_page,
          utm_source, utm_medium, utm_campaign, utm_term, utm_content, creator_id,
          registration_device, registration_country, created_at)
        SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::text[],
          $6::text[], $7::text[], $8::text[], $9::uuid[], $10::text[], $11::text[], $12::bigint[])",
    ],
    columns: columns!(OriginAdded {
        user_id => user_id.0,
        origin => referrer(origin),
        origin => text_or_null(origin.first_landing_page.as_ref()),
        origin => text_or_null(origin.utm_source.as_ref()),
        origin => text_or_null(origin.utm_medium.as_ref()),
        origin => text_or_null(origin.utm_campaign.as_ref()),
        origin => text_or_null(origin.utm_term.as_ref()),
        origin => text_or_null(origin.utm_content.as_ref()),
        origin => origin.acquired_via_creator_id.map(|id| id.0),
        origin => origin.registration_device.map(DeviceClass::as_str),
        origin => origin.registration_country.as_ref().map(Country::as_str),
        at => at.as_micros(),
    }),
};

fn referrer(origin: &AttributionCaptured) -> Option<&[u8]> {
    match &origin.first_referrer_url {
        Some(Pii::Sealed(sealed)) => bytes(Some(sealed)),
        Some(Pii::Clear(_) | Pii::Erased) | None => None,
    }
}

pub(super) static REFERRED: Set = Set {
    table: Table::Attributions,
    repeats: Repeats::LastWins,
    sql: &["UPDATE read.attributions a
        SET referrer_id = v.referrer_id, referral_code = v.code, attributed_at = v.at
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[])
          AS v (user_id, referrer_id, code, at)
        WHERE a.user_id = v.user_id"],
    columns: columns!(Referred {
        user_id => user_id.0,
        referrer_id => referrer_id.0,
        code => code.as_str(),
        at => at.as_micros(),
    }),
};

pub(super) static ORIGIN_REMOVED: Set = Set {
    table: Table::Attributions,
    repeats: Repeats::Together,
    sql: &["UPDATE read.attributions SET first_referrer_url = NULL, first_landing_page = NULL,
          utm_source = NULL, utm_medium = NULL, utm_campaign = NULL, utm_term = NULL,
          utm_content = NULL, creator_id = NULL, registration_device = NULL,
          registration_country = NULL
        WHERE user_id = ANY ($1::uuid[])"],
    columns: columns!(OriginRemoved { user_id => user_id.0 }),
};

pub(super) static CODE_ADDED: Set = Set {
    table: Table::ReferralCodes,
    repeats: Repeats::Never,
    sql: &["INSERT INTO read.referral_codes (folded, code, kind, owner, issued_at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[])
        ON CONFLICT (folded) DO UPDATE
          SET code = excluded.code, issued_at = excluded.issued_at, disabled_at = NULL"],
    columns: columns!(CodeAdded {
        code => code.folded().as_str().to_owned(),
        code => code.as_str(),
        kind => kind.as_str(),
        owner => owner.0,
        at => at.as_micros(),
    }),
};

pub(super) static CODE_DISABLED: Set = Set {
    table: Table::ReferralCodes,
    repeats: Repeats::Never,
    sql: &["UPDATE read.referral_codes c SET disabled_at = v.at
        FROM unnest($1::text[], $2::bigint[]) AS v (folded, at)
        WHERE c.folded = v.folded AND c.disabled_at IS NULL"],
    columns: columns!(CodeDisabled {
        code => code.folded().as_str().to_owned(),
        at => at.as_micros(),
    }),
};

pub(super) static CLICKED: Set = Set {
    table: Table::Clicks,
    repeats: Repeats::Together,
    sql: &["INSERT INTO read.clicks (owner, count)
        SELECT owner, count(*) FROM unnest($1::uuid[]) AS v (owner) GROUP BY owner
        ON CONFLICT (owner) DO UPDATE SET count = clicks.count + excluded.count"],
    columns: columns!(Clicked { owner => owner.0 }),
};

pub(super) static VISITOR_RETURNED: Set = Set {
    table: Table::VisitorTouches,
    repeats: Repeats::Together,
    sql: &["INSERT INTO read.visitor_touches (first_touch_id, touch_id)
        SELECT * FROM unnest($1::uuid[], $2::uuid[]) ON CONFLICT DO NOTHING"],
    columns: columns!(VisitorReturned {
        first_touch_id => first_touch_id.0,
        touch_id => touch_id.0,
    }),
};

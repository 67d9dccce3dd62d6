//! The landing that a client without cookies said when it started a login, read back when the login is
//! completed.

use whence_events::{Event, ReferralCode, StreamId, Timestamp, TouchEvent, TouchId, TouchRecorded};

use crate::app::App;
use crate::app::attribution::{LandingCookies, SaidTouch};
use crate::domain::touch::{FirstTouch, PlantedCode, RefCode};
use crate::store::StoreError;

impl App {
    /// Adds to what the cookies of a login say what its client said at the start. Cookies were set by
    /// this service when it saw the landing, so each of the two counts before what was said.
    pub(crate) async fn with_said_touch(
        &self,
        mut landing: LandingCookies,
        touch_id: Option<TouchId>,
    ) -> Result<LandingCookies, StoreError> {
        let Some(touch_id) = touch_id else { return Ok(landing) };
        if landing.ref_code.is_some() && landing.first_touch.is_some() {
            return Ok(landing);
        }
        let Some((touched_at, touch)) = self.recorded_touch(touch_id).await? else {
            return Ok(landing);
        };
        if landing.ref_code.is_none() {
            let planted = |code: ReferralCode| PlantedCode { code, touched_at, touch_id };
            landing.ref_code = touch.code.clone().map(planted).map(RefCode::Signed);
        }
        if landing.first_touch.is_none() {
            let has_page = !touch.landing_page.is_empty();
            landing.said = Some(SaidTouch { creator_id: touch.creator_id, has_page });
            landing.first_touch = Some(self.first_touch(touch_id, touched_at, touch).await?);
        }
        Ok(landing)
    }

    /// Returns a touch of a client's own words, and its time.
    async fn recorded_touch(
        &self,
        touch_id: TouchId,
    ) -> Result<Option<(Timestamp, TouchRecorded)>, StoreError> {
        let stream = StreamId::Touch(touch_id);
        let events = self.engine.store.read_stream(&stream, 0, 1).await?;
        Ok(events.into_iter().next().and_then(|recorded| {
            let at = recorded.metadata.occurred_at;
            let Event::Touch(event) = recorded.event else { return None };
            match *event {
                TouchEvent::TouchRecorded(touch) if touch.said_by_client => Some((at, touch)),
                TouchEvent::TouchRecorded(_) | TouchEvent::TouchRecordedV1(_) => None,
            }
        }))
    }

    /// Returns a touch as a cookie would have it.
    async fn first_touch(
        &self,
        touch_id: TouchId,
        touched_at: Timestamp,
        touch: TouchRecorded,
    ) -> Result<FirstTouch, StoreError> {
        let stream = StreamId::Touch(touch_id);
        let referrer_url = match &touch.referrer_url {
            Some(url) => self.engine.vault.open(&stream, 0, "referrer_url", url).await?,
            None => None,
        };
        Ok(FirstTouch {
            touch_id,
            touched_at,
            landing_page: touch.landing_page,
            referrer_url,
            utm: touch.utm,
            click_ids: touch.click_ids,
            // Its owner is on record.
            creator: None,
            country: touch.country,
            consent: touch.consent,
        })
    }
}

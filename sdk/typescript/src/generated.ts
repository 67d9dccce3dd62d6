// Written by generate.mjs from the specification. Do not change it by hand.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description An access token for the portal family. */
        AccessTokenBody: {
            access_token: string;
            /**
             * Format: int64
             * @description In seconds.
             */
            expires_in: number;
            token_type: string;
        };
        /** @description Whose a token is that is valid now. */
        ActiveToken: {
            aud: string;
            /** Format: int64 */
            exp: number;
            /** Format: int64 */
            iat: number;
            iss: string;
            /** Format: uuid */
            jti: string;
            sid: components["schemas"]["SessionId"];
            sub: components["schemas"]["UserId"];
            token_type: string;
            /** @description The address of the user. */
            username: string;
        };
        /** @description What became of a referral. */
        AttributeAnswer: {
            attributed: boolean;
            /** @description Why not; absent when it was attributed. */
            reason?: components["schemas"]["Refusal"];
        };
        /** @description The users of a batch, in the order of the request. */
        BatchAnswer: {
            items: components["schemas"]["BatchItem"][];
        };
        /** @description A user of a batch. */
        BatchItem: {
            attribution: components["schemas"]["SnapshotBody"] | null;
            /** @description Whether there is such a user. */
            found: boolean;
            userId: components["schemas"]["UserId"];
        };
        /** @description A code that a user chose. */
        ChosenCode: {
            code: components["schemas"]["ReferralCode"];
            kind: components["schemas"]["CodeKind"];
            link: string;
        };
        /** @description The answer about a chosen code. */
        ChosenCodeAnswer: {
            code: components["schemas"]["ChosenCode"];
        };
        /** @enum {string} */
        CodeKind: "primary" | "custom";
        /** @enum {string} */
        Consent: "unknown" | "granted" | "denied";
        /** @description A country, by ISO 3166-1. */
        Country: string;
        /** @description The handles of a user. */
        Creator: {
            handle: components["schemas"]["Handle"] | null;
            /** @description All of them, the newest last. */
            handles: components["schemas"]["Handle"][];
            link: string | null;
        };
        /** @description A device in the shape of the console family. */
        DeviceBody: {
            current: boolean;
            device: components["schemas"]["DeviceClass"] | null;
            first_login_at: components["schemas"]["Timestamp"];
            id: components["schemas"]["DeviceId"];
            last_login_at: components["schemas"]["Timestamp"];
        };
        /** @enum {string} */
        DeviceClass: "mobile" | "tablet" | "desktop" | "tv" | "other";
        /**
         * Format: uuid
         * @description The id of a known device.
         */
        DeviceId: string;
        /** @description The devices that are known. */
        DeviceList: {
            devices: components["schemas"]["DeviceBody"][];
        };
        /** @description The answer of the calls about an erasure. */
        ErasureAnswer: {
            erasure: components["schemas"]["ErasureBody"] | null;
        };
        /** @description The erasure that a user asked for. */
        ErasureBody: {
            /** @description When it is done. */
            due_at: components["schemas"]["Timestamp"];
            /** @description When it was asked for. */
            requested_at: components["schemas"]["Timestamp"];
        };
        /** @description The handle of a creator. */
        Handle: string;
        /** @description A user who registered by a code. */
        InviteeBody: {
            display_name: string | null;
            signed_at: components["schemas"]["Timestamp"];
            user_id: components["schemas"]["UserId"];
        };
        /** @description The users who registered by the codes of a user. */
        InviteeList: {
            items: components["schemas"]["InviteeBody"][];
        };
        /** @description Tokens that are handed out. */
        IssuedTokens: {
            accessToken: string;
            /**
             * Format: int64
             * @description In seconds.
             */
            expiresIn: number;
            /** @description Whether the user registered just now; at a login only. */
            isNewUser?: boolean;
            /** @description The refresh token, for clients that keep it by themselves. */
            refreshToken?: string;
        };
        /** @description Who is logged in. */
        Me: {
            /** @description When the user is erased, as they asked; absent when they did not. */
            erasure_due_at?: components["schemas"]["Timestamp"];
            /** @description How the user logs in. */
            provider: components["schemas"]["Provider"];
            user: components["schemas"]["UserBody"];
        };
        /**
         * Format: date-time
         * @description A time in UTC, by RFC 3339.
         */
        Millis: string;
        /** @description The referrals of a user. */
        Overview: {
            attributed_at: components["schemas"]["Timestamp"] | null;
            clicks: number;
            /** @description The code of the user's own choice. */
            custom_slug: string | null;
            /** @description The codes that operators disabled; absent when there is none. */
            disabled_codes?: string[];
            /** @description How many users registered by it. */
            invitees: number;
            /** @description The name of who referred this user. */
            inviter_display: string | null;
            link: string | null;
            /** @description The code that every user has. */
            primary_code: string | null;
        };
        /** @description The customer that a user is linked to. */
        PlatformLink: {
            billingCustomerId: string;
            /** @description Whether it was another one before. */
            changed: boolean;
            id: components["schemas"]["UserId"];
        };
        /** @description A user: identity and profile. What is not known is an empty text. */
        PlatformUser: {
            avatarUrl: string;
            billingCustomerId: string;
            createdAt: components["schemas"]["Millis"];
            displayName: string;
            email: string;
            id: components["schemas"]["UserId"];
            provider: components["schemas"]["Provider"];
            updatedAt: components["schemas"]["Millis"];
        };
        /** @description The sessions of a user. */
        PortalSessionList: {
            items: components["schemas"]["SessionBody"][];
        };
        /** @description The body of a start: the address, and what the client knows of the landing that brought its user. */
        PortalStartBody: {
            consent?: components["schemas"]["Consent"] | null;
            creatorHandle?: (string | number) | null;
            /** Format: email */
            email: string;
            firstLandingPage?: (string | number) | null;
            firstReferrerUrl?: (string | number) | null;
            landingPage?: (string | number) | null;
            referralCode?: (string | number) | null;
            referrerUrl?: (string | number) | null;
            utmCampaign?: (string | number) | null;
            utmContent?: (string | number) | null;
            utmMedium?: (string | number) | null;
            utmSource?: (string | number) | null;
            utmTerm?: (string | number) | null;
        };
        /** @description A user in the shape of the portal family. */
        ProfileBody: components["schemas"]["SnapshotBody"] & {
            avatarUrl: string | null;
            billingCustomerId: string | null;
            displayName: string | null;
            email: string;
            id: components["schemas"]["UserId"];
            provider: components["schemas"]["Provider"];
            updatedAt: components["schemas"]["Millis"];
        };
        /** @enum {string} */
        Provider: "email";
        /** @description A referral code. */
        ReferralCode: string;
        /** @enum {string} */
        Refusal: "already_attributed" | "no_cookie" | "invalid_cookie" | "unknown_code" | "code_inactive" | "referrer_ineligible" | "window_expired" | "not_new_user" | "self_referral" | "circular_referral" | "blocked_by_policy" | "internal_error";
        /**
         * Format: uuid
         * @description The id of a login request.
         */
        RequestId: string;
        /** @description The answer that other sessions are over. */
        RevokedOthers: {
            ok: boolean;
            /** @description How many there were. */
            revoked: number;
        };
        /** @description The answer that other sessions are over. */
        RevokedSessions: {
            /** @description How many there were. */
            revoked: number;
        };
        /** @description A session in the shape of the portal family. */
        SessionBody: {
            country: components["schemas"]["Country"] | null;
            createdAt: components["schemas"]["Millis"];
            current: boolean;
            deviceClass: components["schemas"]["DeviceClass"] | null;
            id: components["schemas"]["SessionId"];
            /** @description The network of the address that opened it. */
            ip: string | null;
            kind: components["schemas"]["SessionKind"];
            lastActiveAt: components["schemas"]["Millis"];
        };
        /**
         * Format: uuid
         * @description The id of a session.
         */
        SessionId: string;
        /** @enum {string} */
        SessionKind: "cookie" | "bearer";
        /** @description A session in use. */
        SessionLine: {
            country: components["schemas"]["Country"] | null;
            /** @description When it began. */
            created_at: components["schemas"]["Timestamp"];
            /** @description Whether it is the session that asks; operators have none. */
            current?: boolean;
            device_class: components["schemas"]["DeviceClass"] | null;
            /** @description The id of the session, by which it can be ended. */
            id: components["schemas"]["SessionId"];
            /** @description The network of the address that opened it: the rest of the address is masked. */
            ip: string | null;
            /** @description The kind of credential that carries it. */
            kind: components["schemas"]["SessionKind"];
            /** @description When it was used last, as exactly as uses are recorded. */
            last_active_at: components["schemas"]["Timestamp"];
        };
        /** @description The sessions of a user that are in use, the newest first. */
        SessionList: {
            /** @description The sessions. */
            items: components["schemas"]["SessionLine"][];
        };
        /** @description The 13 fields of an attribution snapshot, in the order and spelling of the portal family. */
        SnapshotBody: {
            acquiredViaCreatorId: components["schemas"]["UserId"] | null;
            createdAt: components["schemas"]["Millis"];
            firstLandingPage: string | null;
            firstReferrerUrl: string | null;
            referralCode: string | null;
            referredBy: components["schemas"]["UserId"] | null;
            registrationCountry: components["schemas"]["Country"] | null;
            registrationDevice: components["schemas"]["DeviceClass"] | null;
            utmCampaign: string | null;
            utmContent: string | null;
            utmMedium: string | null;
            utmSource: string | null;
            utmTerm: string | null;
        };
        /** @description A login, or a change of address, that was started. */
        StartedLogin: {
            /** @description What the code is tried with. */
            request_id: components["schemas"]["RequestId"];
        };
        /** @description A login that was started. */
        StartedPortalLogin: {
            expiresAt: components["schemas"]["Millis"];
            /** @description What the code is tried with. */
            requestId: components["schemas"]["RequestId"];
        };
        /**
         * Format: date-time
         * @description A time in UTC, by RFC 3339.
         */
        Timestamp: string;
        /**
         * @description How a refresh token is delivered.
         * @enum {string}
         */
        TokenDelivery: "cookie" | "body";
        /** @description The answer of calls about who is logged in. */
        UserAnswer: {
            user: components["schemas"]["UserBody"];
        };
        /** @description A user in the shape of the console family: texts are empty where nothing is known. */
        UserBody: {
            avatar_url: string;
            billing_customer_id: string;
            created_at: components["schemas"]["Timestamp"];
            display_name: string;
            email: string;
            id: components["schemas"]["UserId"];
            updated_at: components["schemas"]["Timestamp"];
        };
        /**
         * Format: uuid
         * @description The id of an account.
         */
        UserId: string;
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;

/** A user, as the console family describes one. What is not known is an empty text. */
export interface User {
  id: string;
  email: string;
  displayName: string;
  avatarUrl: string;
  billingCustomerId: string;
  /** RFC 3339, as all times. */
  createdAt: string;
  updatedAt: string;
}

/** Who is logged in. */
export interface Me {
  user: User;
  /** How the user logged in; `email`. */
  provider: string;
  /** When the user is erased, as they asked; absent when they did not. */
  erasureDueAt?: string;
}

/** Why nothing was attributed. Reasons that are younger than this package come through as they are. */
export type NotAttributed =
  | "already_attributed"
  | "no_cookie"
  | "invalid_cookie"
  | "unknown_code"
  | "code_inactive"
  | "referrer_ineligible"
  | "window_expired"
  | "not_new_user"
  | "self_referral"
  | "circular_referral"
  | "blocked_by_policy"
  | "internal_error"
  | (string & {});

/** Whether a referral was attributed, and if not, why. */
export interface AttributeResult {
  attributed: boolean;
  reason?: NotAttributed;
}

/** A session of a user. */
export interface Session {
  id: string;
  /** `cookie` for that of a browser, `bearer` for one of tokens. */
  kind: string;
  deviceClass: string | null;
  /** The address of the client, masked. */
  ip: string | null;
  country: string | null;
  /** Whether it is the one that asks. */
  current: boolean;
  createdAt: string;
  lastActiveAt: string;
}

/** A device that the user's address knows. */
export interface Device {
  id: string;
  device: string | null;
  firstLoginAt: string;
  lastLoginAt: string;
  current: boolean;
}

/** The referrals of a user. */
export interface Referrals {
  primaryCode: string | null;
  customSlug: string | null;
  link: string | null;
  invitees: number;
  clicks: number;
  inviterDisplay: string | null;
  attributedAt: string | null;
  /** The codes that an operator disabled; absent when there is none. */
  disabledCodes?: string[];
}

/** A user who registered by one's code. */
export interface Invitee {
  userId: string;
  displayName: string | null;
  signedAt: string;
}

/** A code of a user's own choice. */
export interface ReferralCode {
  code: string;
  kind: string;
  link: string;
}

/** The handles under which a user is a creator. */
export interface Creator {
  handle: string | null;
  link: string | null;
  handles: string[];
}

/** Where a user came from. It was written at registration and never changes. */
export interface Attribution {
  referredBy: string | null;
  referralCode: string | null;
  firstReferrerUrl: string | null;
  firstLandingPage: string | null;
  acquiredViaCreatorId: string | null;
  utmSource: string | null;
  utmMedium: string | null;
  utmCampaign: string | null;
  utmTerm: string | null;
  utmContent: string | null;
  registrationDevice: string | null;
  registrationCountry: string | null;
  createdAt: string;
}

/** A user as the portal family describes one to a back-end. */
export interface PlatformUser {
  id: string;
  email: string;
  displayName: string | null;
  avatarUrl: string | null;
  billingCustomerId: string | null;
  provider: string;
  createdAt: string;
  updatedAt: string;
}

/** A user with their attribution. */
export interface Profile extends PlatformUser, Attribution {}

/** That a user asked to be erased. */
export interface Erasure {
  requestedAt: string;
  dueAt: string;
}

/** A token for the portal family. */
export interface AccessToken {
  accessToken: string;
  tokenType: string;
  /** In seconds. */
  expiresIn: number;
}

/** What an app without cookies says about the landing that brought its user. */
export interface SaidLanding {
  referralCode?: string;
  utmSource?: string;
  utmMedium?: string;
  utmCampaign?: string;
  utmTerm?: string;
  utmContent?: string;
  firstLandingPage?: string;
  firstReferrerUrl?: string;
}

/** The tokens of a login of the portal family. */
export interface PortalTokens {
  accessToken: string;
  /** When the access token is over, in milliseconds since 1970. */
  expiresAt: number;
  /** Only with `tokenDelivery: "body"`; else it is in a cookie. */
  refreshToken?: string;
}

/** Whether a token counts, and whose it is (RFC 7662). */
export interface Introspection {
  active: boolean;
  sub?: string;
  exp?: number;
  [claim: string]: unknown;
}

export type { Auth, Devices, EmailAuth, OwnErasure, Sessions } from "./auth.js";
export { WhenceClient } from "./client.js";
export { isWhenceError, WhenceError, WhenceNetworkError, WhencePortalError, WhenceTimeoutError } from "./errors.js";
export { CookieJar, type StoredCookie } from "./jar.js";
export type { Portal } from "./portal.js";
export type { Creators, OwnCode, Referrals } from "./referrals.js";
export type { CallOptions, ClientOptions } from "./transport.js";
export type {
  AccessToken,
  AttributeResult,
  Attribution,
  BillingLink,
  Creator,
  Device,
  Erasure,
  Introspection,
  Invitee,
  Me,
  NotAttributed,
  PlatformUser,
  PortalTokens,
  Profile,
  ReferralCode,
  Referrals as ReferralOverview,
  SaidLanding,
  Session,
  User,
} from "./types.js";
export type { Users } from "./users.js";

import type { Camel } from "./case.js";
import type { components } from "./generated.js";

type Schemas = components["schemas"];

/** The body of an answer by the name of its schema, with its fields in camelCase. */
export type Answer<Name extends keyof Schemas> = Camel<Schemas[Name]>;

/** A user, as the console family describes one. What is not known is an empty text; times are RFC 3339. */
export interface User extends Camel<Schemas["UserBody"]> {}

/** Who is logged in. `erasureDueAt` is there when the user asked to be erased. */
export interface Me extends Omit<Camel<Schemas["Me"]>, "user"> {
  user: User;
}

/** Why nothing was attributed. Reasons that are younger than this package come through as they are. */
export type NotAttributed = Schemas["Refusal"] | (string & {});

/** Whether a referral was attributed, and if not, why. */
export interface AttributeResult extends Omit<Camel<Schemas["AttributeAnswer"]>, "reason"> {
  reason?: NotAttributed;
}

/** A session of a user. `current` is the one that asks. */
export interface Session extends Camel<Schemas["SessionBody"]> {}

/** A device that the user's address knows. */
export interface Device extends Camel<Schemas["DeviceBody"]> {}

/** The referrals of a user. `disabledCodes` is there when an operator disabled some. */
export interface Referrals extends Camel<Schemas["Overview"]> {}

/** A user who registered by one's code. */
export interface Invitee extends Camel<Schemas["InviteeBody"]> {}

/** A code of a user's own choice. */
export interface ReferralCode extends Camel<Schemas["ChosenCode"]> {}

/** The handles under which a user is a creator. */
export interface Creator extends Camel<Schemas["Creator"]> {}

/** Where a user came from. It was written at registration and never changes. */
export type Attribution = Schemas["SnapshotBody"];

/** A user as the portal family describes one to a back-end. */
export type PlatformUser = Schemas["PlatformUser"];

/** A user with their attribution. */
export type Profile = Schemas["ProfileBody"];

/** To which customer of the billing system a user is linked now. */
export type BillingLink = Schemas["PlatformLink"];

/** That a user asked to be erased. */
export interface Erasure extends Camel<Schemas["ErasureBody"]> {}

/** A token for the portal family. `expiresIn` is in seconds. */
export interface AccessToken extends Camel<Schemas["AccessTokenBody"]> {}

/** What an app without cookies says about the landing that brought its user. */
export type SaidLanding = Omit<Schemas["PortalStartBody"], "email">;

/** The tokens of a login of the portal family. */
export interface PortalTokens extends Pick<Schemas["IssuedTokens"], "accessToken"> {
  /** When the access token is over, in milliseconds since 1970. */
  expiresAt: number;
  /** Only with `tokenDelivery: "body"`; else it is in a cookie. */
  refreshToken?: string;
}

/** Whether a token counts, and whose it is (RFC 7662). */
export interface Introspection extends Partial<Schemas["ActiveToken"]> {
  active: boolean;
}

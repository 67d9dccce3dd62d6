"use client";

import {
  type QueryClient,
  useMutation,
  type UseMutationResult,
  useQuery,
  useQueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import { type AttributeResult, type Attribution, isWhenceError, type Me, type User, type WhenceClient } from "@whence/sdk";
import { createContext, type ReactElement, type ReactNode, useCallback, useContext, useState } from "react";

const Context = createContext<WhenceClient | undefined>(undefined);

/** The keys under which answers are cached. */
export const whenceKeys = {
  all: ["whence"] as const,
  session: () => ["whence", "session"] as const,
  attribution: (userId?: string) => (userId === undefined ? (["whence", "attribution"] as const) : (["whence", "attribution", userId] as const)),
};

/** Gives the hooks below it their client. */
export function WhenceProvider({ client, children }: { client: WhenceClient; children?: ReactNode }): ReactElement {
  return <Context.Provider value={client}>{children}</Context.Provider>;
}

/** Returns the client. */
export function useWhence(): WhenceClient {
  const client = useContext(Context);
  if (!client) throw new Error("@whence/react: put a <WhenceProvider client={...}> around this");
  return client;
}

/** What is the answer to everybody is not asked for twice; the client itself tries again what is worth it. */
const isFinal = (error: unknown): boolean => isWhenceError(error) && error.status >= 400 && error.status < 500;
const retry = (count: number, error: unknown): boolean => !isFinal(error) && count < 1;

/** Returns who is logged in: `data` is null when that is nobody. */
export function useSession(): UseQueryResult<Me | null, Error> {
  const client = useWhence();
  return useQuery<Me | null, Error>({
    queryKey: whenceKeys.session(),
    queryFn: async ({ signal }) => {
      try {
        return await client.auth.me({ signal });
      } catch (error) {
        if (isWhenceError(error) && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: 60_000,
    retry,
  });
}

/** Returns where the user came from, once somebody is logged in. It never changes, and is asked for once. */
export function useAttribution(): UseQueryResult<Attribution, Error> {
  const client = useWhence();
  const { data: session } = useSession();
  const userId = session?.user.id;
  return useQuery<Attribution, Error>({
    queryKey: whenceKeys.attribution(userId ?? ""),
    queryFn: ({ signal }) => client.users.attribution({ signal }),
    enabled: userId !== undefined,
    staleTime: Infinity,
    gcTime: Infinity,
    retry,
  });
}

/** A log-in under way. */
export interface Login {
  /** `email` until a code was mailed, then `code`, and `done` after it was right. */
  step: "email" | "code" | "done";
  /** The address that the code was mailed to. */
  email: string | undefined;
  /** Who is logged in, once that is done. */
  user: User | undefined;
  isPending: boolean;
  /** Why the last step failed; `code` of a `WhenceError` says how. */
  error: Error | null;
  /** Mails a code. Resolves to whether that worked; it does not throw. */
  start: (email: string) => Promise<boolean>;
  /** Verifies the code. Resolves to whether it was right; it does not throw. */
  verify: (code: string) => Promise<boolean>;
  /** Mails another code to the same address. */
  resend: () => Promise<boolean>;
  /** Begins again with another address. */
  reset: () => void;
}

/** What a log-in does beside. */
export interface LoginOptions {
  /** Is called after the code was right, before `verify` resolves. */
  onLogin?: ((user: User) => void) | undefined;
  /** Is called with what became of the referral; asks for it only when it is there. */
  onAttributed?: ((result: AttributeResult) => void) | undefined;
}

/** Whatever was cached was another person's, or nobody's. */
function forget(cache: QueryClient): void {
  cache.removeQueries({ queryKey: whenceKeys.attribution() });
}

/** Returns a log-in by a mailed code, from the address to the session. */
export function useLogin(options: LoginOptions = {}): Login {
  const client = useWhence();
  const cache = useQueryClient();
  const [sent, setSent] = useState<{ email: string; requestId: string }>();
  const starting = useMutation({
    mutationFn: (email: string) => client.auth.email.start({ email }),
    onSuccess: ({ requestId }, email) => setSent({ email, requestId }),
  });
  const verifying = useMutation({
    mutationFn: async (code: string) => {
      if (!sent) throw new Error("@whence/react: no code was mailed yet");
      const { user } = await client.auth.email.verify({ requestId: sent.requestId, code });
      forget(cache);
      // The provider of a log-in by mail; `me` is asked for the rest.
      cache.setQueryData<Me>(whenceKeys.session(), { user, provider: "email" });
      void cache.invalidateQueries({ queryKey: whenceKeys.session() });
      if (options.onAttributed) void client.auth.attribute().then(options.onAttributed, () => {});
      return user;
    },
    onSuccess: (user) => options.onLogin?.(user),
  });
  const worked = (promise: Promise<unknown>): Promise<boolean> => promise.then(() => true, () => false);
  const { mutateAsync: send, reset: resetStart } = starting;
  const { mutateAsync: check, reset: resetVerify } = verifying;
  const start = useCallback((email: string) => (resetVerify(), worked(send(email))), [send, resetVerify]);
  const verify = useCallback((code: string) => worked(check(code)), [check]);
  const resend = useCallback(() => (sent ? start(sent.email) : Promise.resolve(false)), [sent, start]);
  const reset = useCallback(() => (setSent(undefined), resetStart(), resetVerify()), [resetStart, resetVerify]);
  return {
    step: verifying.isSuccess ? "done" : sent ? "code" : "email",
    email: sent?.email,
    user: verifying.data,
    isPending: starting.isPending || verifying.isPending,
    error: verifying.error ?? starting.error,
    start,
    verify,
    resend,
    reset,
  };
}

/** Returns the log-out: `mutate()` ends the session, and everything that was cached of it. */
export function useLogout(): UseMutationResult<void, Error, void> {
  const client = useWhence();
  const cache = useQueryClient();
  return useMutation<void, Error, void>({
    mutationFn: () => client.auth.logout(),
    onSuccess: () => {
      forget(cache);
      cache.setQueryData(whenceKeys.session(), null);
    },
  });
}

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useAttribution, useLogin, useLogout, useSession, WhenceProvider } from "@whence/react";
import { isWhenceError, WhenceClient } from "@whence/sdk";
import { type FormEvent, StrictMode } from "react";
import { createRoot } from "react-dom/client";

const client = new WhenceClient({ baseUrl: import.meta.env["VITE_WHENCE_URL"] ?? "http://localhost:8080" });

function textOf(form: FormEvent<HTMLFormElement>, name: string): string {
  form.preventDefault();
  return String(new FormData(form.currentTarget).get(name));
}

function sentence(error: Error): string {
  switch (isWhenceError(error) ? error.code : "") {
    case "invalid_email":
      return "That is not an e-mail address.";
    case "invalid_code":
      return "That is not the code.";
    case "invalid_request":
      return "That code is over. Start again.";
    default:
      return error.message;
  }
}

function Login() {
  const login = useLogin();
  if (login.step === "email") {
    return (
      <form onSubmit={(form) => void login.start(textOf(form, "email"))}>
        <label>
          E-mail address <input name="email" type="text" autoComplete="email" autoFocus />
        </label>
        <button disabled={login.isPending}>Send me a code</button>
        {login.error && <p role="alert">{sentence(login.error)}</p>}
      </form>
    );
  }
  return (
    <form onSubmit={(form) => void login.verify(textOf(form, "code"))}>
      <p>A code is on its way to {login.email}.</p>
      <label>
        Code <input name="code" inputMode="numeric" autoComplete="one-time-code" autoFocus />
      </label>
      <button disabled={login.isPending}>Log in</button>
      <button type="button" onClick={login.reset}>
        Another address
      </button>
      {login.error && <p role="alert">{sentence(login.error)}</p>}
    </form>
  );
}

function Account() {
  const session = useSession();
  const attribution = useAttribution();
  const logout = useLogout();
  if (session.isPending) return <p>One moment.</p>;
  if (session.isError) return <p role="alert">{session.error.message}</p>;
  if (!session.data) return <Login />;
  return (
    <>
      <h1>Hello, {session.data.user.displayName || session.data.user.email}</h1>
      {attribution.data && <p id="source">You came by {attribution.data.utmSource ?? "yourself"}.</p>}
      <button onClick={() => logout.mutate()}>Log out</button>
    </>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={new QueryClient()}>
        <WhenceProvider client={client}>
          <Account />
        </WhenceProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}

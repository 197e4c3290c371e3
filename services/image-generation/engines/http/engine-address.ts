/** Where an engine is, and the login that its URL may hold. */
export interface EngineAddress {
  readonly origin: string;
  /** Path below which the engine's own paths begin, without a slash at its end. */
  readonly prefix: string;
  /** Value of `authorization`: the key as a bearer token, else the URL's login as HTTP Basic; undefined without either. */
  authorization(key: string | undefined): string | undefined;
}

export function readEngineAddress(url: string): EngineAddress {
  const { origin, pathname, username, password } = new URL(url);
  const login = decodeURIComponent(`${username}:${password}`);
  const basic = username === '' ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  return {
    origin,
    prefix: pathname.replace(/\/+$/, ''),
    authorization: (key) => (key === undefined ? basic : `Bearer ${key}`),
  };
}

// The certified provider `oidc-provider`, with two clients and its own pages for signing in.
//
//     node provider.mjs PORT CLIENT_ADDRESS
//
// The public client `bound` gets tokens that are bound to a key (DPoP). With DPOP=nonce in the
// environment, proofs must have the provider's nonce; with DPOP=off, it does not know proofs.
//
// Prints one line once it listens. Keys and everything that it has issued live as long as the
// process: a restart on the same port is a provider with new keys that knows no token.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, site] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const knowsProofs = process.env.DPOP !== 'off';

// One table a kind of thing, as long as the process lives.
const tables = new Map();
class Table {
  constructor(name) {
    if (!tables.has(name)) tables.set(name, new Map());
    this.rows = tables.get(name);
  }
  async upsert(id, row) { this.rows.set(id, row); }
  async find(id) { return this.rows.get(id); }
  async findByUid(uid) { return [...this.rows.values()].find((row) => row.uid === uid); }
  async findByUserCode() { return undefined; }
  async consume(id) { this.rows.get(id).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { this.rows.delete(id); }
  async revokeByGrantId(grantId) {
    for (const [id, row] of this.rows) if (row.grantId === grantId) this.rows.delete(id);
  }
}

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: `key-${process.pid}` };

const provider = new Provider(issuer, {
  adapter: Table,
  clients: [{
    client_id: 'quickstart',
    client_secret: 'quickstart-secret',
    redirect_uris: [`${site}/callback`],
    post_logout_redirect_uris: [`${site}/`],
    backchannel_logout_uri: `${site}/backchannel-logout`,
    backchannel_logout_session_required: true,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }, {
    client_id: 'bound',
    token_endpoint_auth_method: 'none',
    redirect_uris: [`${site}/callback`],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    ...(knowsProofs && { dpop_bound_access_tokens: true }),
  }],
  cookies: { keys: ['for tests alone'] },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'] },
  features: {
    backchannelLogout: { enabled: true },
    dPoP: {
      enabled: knowsProofs,
      nonceSecret: randomBytes(32),
      requireNonce: () => process.env.DPOP === 'nonce',
    },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  findAccount: async (_, sub) => ({
    accountId: sub,
    claims: async () => ({ sub, name: `${sub} of the tests`, preferred_username: sub }),
  }),
  // Also without `offline_access`, which it ignores unless `prompt=consent` comes with it.
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  jwks: { keys: [key] },
  pkce: { required: () => true },
  rotateRefreshToken: true,
});

// What a test asks: how many tokens there are, and that all access tokens are forgotten.
provider.use(async (ctx, next) => {
  const count = (name, holds) => [...(tables.get(name)?.values() ?? [])].filter(holds).length;
  if (ctx.path === '/test/tokens') {
    ctx.body = {
      access: count('AccessToken', () => true),
      refresh: count('RefreshToken', (row) => !row.consumed),
      rotated: count('RefreshToken', (row) => row.consumed),
    };
  } else if (ctx.path === '/test/forget-access-tokens') {
    tables.get('AccessToken')?.clear();
    ctx.body = {};
  } else await next();
});
for (const event of ['server_error', 'backchannel.error']) {
  provider.on(event, (_, error) => console.error(event, error.message));
}
provider.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${issuer}`));

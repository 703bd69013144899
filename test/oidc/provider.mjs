// An OpenID provider for the tests of internal/kernel/identity, made of the npm
// package oidc-provider, on a free port of this machine. It prints its issuer as
// one line. Whoever is named in login_hint is signed in without a password.
//
// POST /people takes who there is, as JSON: {"anna": {"name": "…", "groups": ["…"],
// "amr": ["…"]}}. Who is missing has left. The provider ends with its standard
// input, so that none outlives its test.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const [redirect, secret] = process.argv.slice(2);
let people = {};

const server = createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'node',
      client_secret: secret,
      redirect_uris: [redirect],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
  ],
  scopes: ['openid', 'offline_access', 'profile', 'groups'],
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], groups: ['groups'], amr: null },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: [secret] },
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 86400, IdToken: 7200, Interaction: 600, RefreshToken: 86400, Session: 86400 },
  async findAccount(_ctx, id) {
    const person = people[id];
    if (!person) return undefined;
    return { accountId: id, claims: async () => ({ sub: id, preferred_username: id, name: person.name, groups: person.groups }) };
  },
});

async function body(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString();
}

// Everybody agrees to everything he is asked.
async function interact(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') {
    const accountId = params.login_hint;
    const result = people[accountId]
      ? { login: { accountId, amr: people[accountId].amr } }
      : { error: 'access_denied', error_description: 'nobody of that name' };
    return provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
  }
  const grant = (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
server.on('request', async (req, res) => {
  try {
    if (req.method === 'POST' && req.url === '/people') {
      people = JSON.parse(await body(req));
      res.writeHead(204).end();
    } else if (req.url.startsWith('/interaction/')) {
      await interact(req, res);
    } else {
      answer(req, res);
    }
  } catch (err) {
    console.error(err);
    if (!res.headersSent) res.writeHead(500);
    res.end();
  }
});

process.stdin.resume().on('end', () => process.exit(0));
console.log(issuer);

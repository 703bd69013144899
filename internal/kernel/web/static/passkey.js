// passkey.js asks the browser for a passkey (spec: Web Authentication Level 3): a form
// with data-passkey="create" or "get" holds the options in data-options and sends the
// answer in its field "response". A form that also takes a code goes as it is when one was
// written. Where the browser knows no passkeys the form stays hidden, if it was, and the
// other ways remain.

const decode = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const encode = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const ids = (list) => list?.map((c) => ({ ...c, id: decode(c.id) }));

async function ask(kind, { publicKey }) {
  publicKey.challenge = decode(publicKey.challenge);
  if (kind === "create") {
    publicKey.user.id = decode(publicKey.user.id);
    publicKey.excludeCredentials = ids(publicKey.excludeCredentials);
  } else {
    publicKey.allowCredentials = ids(publicKey.allowCredentials);
  }
  const key = await navigator.credentials[kind]({ publicKey });
  const response = { clientDataJSON: encode(key.response.clientDataJSON) };
  if (kind === "create") {
    response.attestationObject = encode(key.response.attestationObject);
    response.transports = key.response.getTransports?.() ?? [];
  } else {
    response.authenticatorData = encode(key.response.authenticatorData);
    response.signature = encode(key.response.signature);
    if (key.response.userHandle) response.userHandle = encode(key.response.userHandle);
  }
  return { id: key.id, rawId: encode(key.rawId), type: key.type, authenticatorAttachment: key.authenticatorAttachment,
    clientExtensionResults: key.getClientExtensionResults(), response };
}

for (const form of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential || !navigator.credentials) continue;
  (form.closest("[data-passkey-section]") ?? form).hidden = false;
  form.hidden = false;
  form.addEventListener("submit", async (e) => {
    if (form.elements.code?.value) return;
    e.preventDefault();
    const failed = form.querySelector("[data-failed]");
    failed.hidden = true;
    try {
      form.elements.response.value = JSON.stringify(await ask(form.dataset.passkey, JSON.parse(form.dataset.options)));
    } catch {
      failed.hidden = false; // refused, or too late: the same challenge is still good
      return;
    }
    form.submit();
  });
}

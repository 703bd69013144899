// preview.js shows what a form will become while somebody writes in it: a form with
// data-live=url is POSTed there after a rest, and the piece of HTML it answers with goes
// into the element data-live-into names. Without it the piece is as the page came.

const REST = 500; // ms after the last letter

for (const form of document.querySelectorAll("form[data-live]")) {
  const into = document.getElementById(form.dataset.liveInto);
  let timer;
  let asked = 0; // only the last answer counts
  const show = async () => {
    const mine = ++asked;
    try {
      const answer = await fetch(form.dataset.live, { method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return; // not the page to sign in
      const html = await answer.text();
      if (mine !== asked) return;
      const open = [...into.querySelectorAll("details")].map((d) => d.open);
      into.innerHTML = html;
      into.querySelectorAll("details").forEach((d, i) => { d.open = open[i] ?? false; });
    } catch {
      // no connection: what was shown last stays, and the form tells when it is sent
    }
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(show, REST);
  };
  form.addEventListener("input", later);
  form.addEventListener("change", later);
}

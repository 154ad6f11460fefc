// The page's own script; gradio runs it once, with `element`, `trigger` and `server` in scope.
const $ = (id) => document.getElementById(id);
const box = element.querySelector("textarea");
const send = element.querySelector(".send");
let sent = "", seen = "", isBusy = false, number = 0;

const command = (act, more = {}) => {
  const at = new URLSearchParams(location.search);
  return { act, number, turn: 0, text: "", chat: at.get("chat") || "", lang: at.get("lang") || "ko", ...more };
};
const REPLIES = ["say", "regenerate", "continue", "retry", "speak"];
const act = (name, more) => {
  if (isBusy) return;
  if (REPLIES.includes(name)) { number += 1; busy(true); }
  trigger(REPLIES.includes(name) ? "submit" : "select", command(name, more));
};
const busy = (is) => {
  isBusy = is;
  document.body.classList.toggle("is-busy", is);
  send.textContent = is ? send.dataset.stop : send.dataset.send;
  send.classList.toggle("is-stop", is);
};
const grow = () => { box.style.height = "auto"; box.style.height = Math.min(box.scrollHeight, 168) + "px"; };

// What was said is seen at once, also where others are before one.
const WAIT_MS = 400;
const waiting = document.createElement("div");
waiting.id = "waiting";
waiting.className = "talk";
$("live").after(waiting);
let timer = 0;
const turnOf = (kind) => {
  const turn = document.createElement("div"), bubble = document.createElement("div");
  turn.className = `turn ${kind} coming`;
  bubble.className = "bubble";
  turn.append(bubble);
  waiting.append(turn);
  return bubble;
};
const wait = (text) => {
  timer = setTimeout(() => {
    turnOf("user").textContent = text;
    const dots = turnOf("assistant"), told = document.createElement("p");
    dots.innerHTML = '<span class="dots"><i></i><i></i><i></i></span>';
    told.textContent = send.dataset.waiting;
    dots.after(told);
    toEnd(true);
  }, WAIT_MS);
};
const begun = () => { clearTimeout(timer); waiting.replaceChildren(); };

const say = () => {
  if (isBusy || !box.value.trim()) return;
  sent = box.value;
  box.value = "";
  grow();
  hush();
  act("say", { text: sent });
  wait(sent);
  toEnd(true);
};
let isComposing = false;
box.addEventListener("compositionstart", () => { isComposing = true; });
box.addEventListener("compositionend", () => { isComposing = false; });
box.addEventListener("input", grow);
box.addEventListener("keydown", (event) => {
  // An Enter that ends a syllable belongs to the input method: 229 is its code where
  // compositionend comes first.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || isComposing || event.keyCode === 229) return;
  event.preventDefault();
  say();
});
send.addEventListener("click", () => (isBusy ? trigger("clear", command("stop")) : say()));

// Speech, by the browser itself.
const speaks = () => localStorage.getItem("exagirl-speech") === "on";
const hush = () => window.speechSynthesis && speechSynthesis.cancel();
const speak = (turn) => {
  if (!window.speechSynthesis || !turn) return;
  hush();
  const bubble = turn.querySelector(".bubble").cloneNode(true);
  bubble.querySelectorAll(".action, .cut").forEach((one) => one.remove());
  const words = new SpeechSynthesisUtterance(bubble.textContent.trim());
  words.lang = "ko-KR";
  words.voice = speechSynthesis.getVoices().find((voice) => voice.lang.startsWith("ko")) || null;
  speechSynthesis.speak(words);
};
const showSpeech = () => document.querySelectorAll("[data-do=speech]").forEach((button) => {
  button.textContent = speaks() ? button.dataset.on : button.dataset.off;
  button.setAttribute("aria-pressed", speaks());
});

const edit = (turn) => {
  const bubble = turn.querySelector(".bubble"), tools = turn.querySelector(".tools");
  if (turn.querySelector(".editor")) return;
  const editor = document.createElement("div");
  editor.className = "editor";
  const area = document.createElement("textarea");
  area.value = turn.dataset.raw;
  const row = document.createElement("div");
  const button = (label, run, kind) => {
    const one = document.createElement("button");
    one.textContent = label;
    one.className = kind;
    one.addEventListener("click", (event) => { event.stopPropagation(); run(); });
    row.append(one);
  };
  const close = () => { editor.remove(); bubble.hidden = false; if (tools) tools.hidden = false; };
  button(element.dataset.cancel || send.dataset.cancel, close, "quiet");
  button(send.dataset.save, () => { act("edit", { turn: +turn.dataset.turn, text: area.value }); close(); }, "save");
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  editor.append(area, row);
  bubble.hidden = true;
  if (tools) tools.hidden = true;
  turn.append(editor);
  area.style.height = Math.min(area.scrollHeight + 4, 320) + "px";
  area.focus();
};

// What cannot be meant by one touch alone asks for a second one.
const sure = (button, run) => {
  if (button.classList.contains("is-sure")) return run();
  const before = button.textContent;
  button.classList.add("is-sure");
  button.textContent = button.dataset.sure;
  setTimeout(() => { button.classList.remove("is-sure"); button.textContent = before; }, 3000);
};
const DO = {
  edit: (button) => edit(button.closest(".turn")),
  delete: (button) => sure(button, () => act("delete", { turn: +button.closest(".turn").dataset.turn })),
  forget: (button) => sure(button, () => act("forget")),
  hear: (button) => speak(button.closest(".turn")),
  close: (button) => button.closest(".notice").remove(),
  speech: () => { localStorage.setItem("exagirl-speech", speaks() ? "off" : "on"); if (!speaks()) hush(); showSpeech(); },
  language: (button) => {
    const at = new URL(location.href);
    at.searchParams.set("lang", button.dataset.to);
    location.href = at;
  },
  settings: () => { act("refresh"); document.querySelector(".sidebar .toggle-button")?.click(); },
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act], [data-do]");
  if (!button || button.disabled) return;
  if (button.dataset.do) return DO[button.dataset.do]?.(button);
  act(button.dataset.act, { text: button.dataset.text || "", turn: +(button.dataset.turn ?? button.closest(".turn")?.dataset.turn ?? 0) });
});

for (const [name, query] of [["is-narrow", "(max-width: 640px)"], ["is-wide", "(min-width: 1000px)"]]) {
  const fits = matchMedia(query), show = () => document.body.classList.toggle(name, fits.matches);
  fits.addEventListener("change", show);
  show();
}

// What the server says of the conversation.
const toEnd = (always) => {
  const page = document.scrollingElement;
  if (always || page.scrollHeight - page.scrollTop - innerHeight < 240) page.scrollTo(0, page.scrollHeight);
};
const sync = () => {
  const state = document.querySelector("#state [data-seq]");
  if (state && state.dataset.seq !== seen) {
    const isFirst = seen === "";
    seen = state.dataset.seq;
    begun();
    const wasBusy = isBusy;
    busy(state.dataset.busy === "1");
    const at = new URL(location.href);
    if ((at.searchParams.get("chat") || "") !== state.dataset.chat) {
      if (state.dataset.chat) at.searchParams.set("chat", state.dataset.chat);
      else at.searchParams.delete("chat");
      history.replaceState(null, "", at);
    }
    box.placeholder = state.dataset.placeholder;
    for (const key of ["send", "stop", "save", "cancel", "waiting"]) send.dataset[key] = state.dataset[key];
    busy(isBusy);
    element.querySelector(".hint").textContent = state.dataset.hint;
    document.documentElement.lang = state.dataset.lang;
    document.documentElement.style.cssText = state.dataset.style;
    document.querySelectorAll("[data-act=undo]").forEach((button) => {
      button.disabled = !state.dataset.undo;
      button.title = state.dataset.undo;
    });
    if (state.dataset.refused && !box.value) { box.value = state.dataset.refused; grow(); }
    if (wasBusy && !isBusy && speaks()) speak([...document.querySelectorAll("#past .turn.assistant")].pop());
    showSpeech();
    const isNew = !document.querySelector("#past .turn:not(.greeting)");
    if (isNew && !isBusy) window.scrollTo(0, 0);
    else if (isFirst) setTimeout(() => toEnd(true), 60);
  }
  toEnd(false);
};
const watched = new MutationObserver(sync);
for (const id of ["state", "past", "live"]) watched.observe($(id), { childList: true, subtree: true, attributes: true, characterData: true });
new MutationObserver(() => {
  const link = document.querySelector("#file a[data-seq]");
  if (!link || link.dataset.seq === link.dataset.done) return;
  link.dataset.done = link.dataset.seq;
  const bytes = Uint8Array.from(atob(link.dataset.content), (letter) => letter.charCodeAt(0));
  const out = document.createElement("a");
  out.href = URL.createObjectURL(new Blob([bytes], { type: "application/jsonl" }));
  out.download = link.dataset.name;
  out.click();
  setTimeout(() => URL.revokeObjectURL(out.href), 10000);
}).observe($("file"), { childList: true, subtree: true, attributes: true });
sync();

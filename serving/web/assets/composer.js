// The place to write a question, with its files.

import { by } from "./dom.js";
import { FileList } from "./data_files.js";
import { say } from "./notice.js";

export class Composer {
  // actions: {send(text, files), stop(), openConversation(text, name)}.
  constructor(actions) {
    this.actions = actions;
    this.field = by("question");
    this.files = new FileList(by("files"));
    this.busy = false;
    by("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.send();
      }
    });
    this.field.addEventListener("input", () => this.fit());
    this.field.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files || [])];
      if (!files.length) return;
      event.preventDefault();
      this.take(files);
    });
    by("stop").addEventListener("click", () => actions.stop());
    by("attach").addEventListener("click", () => this.choose());
    by("open-file").addEventListener("click", () => this.choose());
    by("chooser").addEventListener("change", (event) => {
      this.take([...event.target.files]);
      event.target.value = "";
    });
    this.drops();
  }

  choose() {
    by("chooser").click();
  }

  drops() {
    let inside = 0;
    const show = (on) => {
      inside = on ? inside : 0;
      by("drop").hidden = !on;
    };
    const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    addEventListener("dragenter", (event) => {
      if (!hasFiles(event)) return;
      inside += 1;
      show(true);
    });
    addEventListener("dragleave", () => {
      inside -= 1;
      if (inside <= 0) show(false);
    });
    addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      show(false);
      this.take([...event.dataTransfer.files]);
    });
  }

  // Data files join the question; a saved conversation is opened.
  async take(files) {
    const data = [];
    for (const file of files) {
      if (!/\.json$/i.test(file.name) || !(await this.actions.openConversation(file))) data.push(file);
    }
    if (!data.length) return;
    await this.files.add(data);
    this.field.focus();
  }

  // The height follows the text; `field-sizing` does not exist in all browsers.
  fit() {
    if (CSS.supports("field-sizing", "content")) return;
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight + 2, 0.4 * innerHeight)}px`;
  }

  fill(text, files = []) {
    this.field.value = text;
    this.files.set(files);
    this.fit();
    this.field.focus();
    this.field.setSelectionRange(text.length, text.length);
  }

  async send() {
    await this.files.reading;
    if (this.busy) {
      say("An answer is in progress. Stop it, or wait for its end.");
      return;
    }
    const text = this.field.value.trim();
    if (!text && !this.files.files.length) {
      this.field.focus();
      return;
    }
    const files = this.files.files;
    this.field.value = "";
    this.files.set([]);
    this.fit();
    this.actions.send(text, files);
  }

  setBusy(busy) {
    this.busy = busy;
    by("send").hidden = busy;
    by("stop").hidden = !busy;
  }
}

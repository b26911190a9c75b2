// Changes of a model that a user tries out: limits of constraints, bounds and costs of variables.

import { number } from "./format.js";
import { readable } from "./names.js";

const WORDS = {
  row_upper: (name) => `the upper limit of ${name}`,
  row_lower: (name) => `the lower limit of ${name}`,
  upper: (name) => `the most of ${name}`,
  lower: (name) => `the least of ${name}`,
  cost: (name) => `the coefficient of ${name} in the objective`,
};
export const MOST = 200;

export const same = (a, b) => a.kind === b.kind && a.name === b.name;

// Return the changes with one more; a change back to the first value removes it.
export function withChange(changes, change) {
  const rest = changes.filter((one) => !same(one, change));
  return change.value === change.before ? rest : [...rest, change].slice(-MOST);
}

export const changedValue = (changes, kind, name) =>
  changes.find((one) => one.kind === kind && one.name === name)?.value;

const limit = (value) => (value === null || value === undefined ? "none" : number(value));

export function describeChange({ kind, name, value, before }) {
  return `${(WORDS[kind] || ((one) => one))(readable(name))}: ${limit(before)} → ${limit(value)}`;
}

// Return a question in words for the model.
export function question(changes) {
  if (!changes.length) return "What if ";
  const parts = changes.map(
    ({ kind, name, value, before }) =>
      `${(WORDS[kind] || ((one) => one))(readable(name))} were ${value === null ? "removed" : number(value)}${before === null || before === undefined ? "" : ` instead of ${number(before)}`}`,
  );
  return `What if ${parts.join(", and ")}? Solve the problem again with this change.`;
}

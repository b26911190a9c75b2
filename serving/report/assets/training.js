// A GRPO run: the learning curve, the steps whose rollouts were kept, and rewards with their advantages.

const training = () => state.facts.kind === "training";
const noun = () => (training() ? "rollout" : "episode");
const EPSILON = 1e-6; // In GRPO's division by the standard deviation.
const PARTS = { correct: "correct answer", plan: "plan", solver: "solver report", format: "format", length: "length", process: "flaws" };
const exact = (value) => String(Math.round(1000 * value) / 1000);
let compared = { version: -1, groups: new Map(), advantages: new Map() };

const signed = (value) => (value === null ? "–" : fixed(value, value > 0.005 ? "+" : ""));
// Not "-0.00".
const fixed = (value, sign = "") => `${sign}${(Math.abs(value) < 0.005 ? 0 : value).toFixed(2)}`;

// The rollouts of each group, and their advantages: (reward - mean) / (standard deviation + EPSILON), as veRL's GRPO.
function groupsOf() {
  if (compared.version === state.version) return compared;
  const groups = new Map(),
    advantages = new Map();
  for (const row of state.rows) groups.has(row.group) ? groups.get(row.group).push(row) : groups.set(row.group, [row]);
  const { rollouts_per_problem: size, divide_by_deviation: divided } = state.facts.settings;
  for (const members of groups.values()) {
    members.sort((a, b) => a.sample - b.sample);
    // Rollouts are still missing, or one failed and the trainer replaced the group.
    if (size && members.length < size) continue;
    const middle = mean(members.map((row) => row.reward));
    const squares = sum(members.map((row) => (row.reward - middle) ** 2));
    const deviation = members.length > 1 ? Math.sqrt(squares / (members.length - 1)) : 1;
    for (const row of members) {
      const above = members.length > 1 ? row.reward - middle : row.reward;
      advantages.set(row.key, divided === false ? above : above / (deviation + EPSILON));
    }
  }
  compared = { version: state.version, groups, advantages };
  return compared;
}

const advantageOf = (row) => groupsOf().advantages.get(row.key) ?? null;
const siblings = (row) => groupsOf().groups.get(row.group) || [row];

function signOf(row) {
  const advantage = advantageOf(row);
  if (advantage === null) return "none";
  return Math.abs(advantage) < 0.005 ? "zero" : advantage > 0 ? "positive" : "negative";
}

const near = (value, other) => Math.abs(value - other) < 1e-9;
const rewardRange = (row) =>
  near(row.reward, 0) ? "zero" : near(row.reward, 1) ? "one" : row.reward < 0 ? "below" : row.reward < 1 ? "part" : "above";
const REWARD_RANGES = { below: "below 0", zero: "0", part: "from 0 to 1", one: "1", above: "above 1" };
const SIGNS_OF = { positive: "positive", negative: "negative", zero: "0: no gradient", none: "incomplete group" };
const LENGTHS = ["up to 25 %", "25 to 50 %", "50 to 75 %", "over 75 %"];
const lengthRange = (row) => String(Math.min(3, Math.floor((4 * row.tokens) / (state.facts.settings.response_tokens || Infinity))));

const TRAINING_ORDERS = {
  "": ["latest step first", (row) => -row.step],
  failures: ["failures first", (row) => rankOf(row)],
  run: ["in the run's order", null],
  reward: ["highest reward first", (row) => -row.reward],
  low: ["lowest reward first", (row) => row.reward],
  advantage: ["highest advantage first", (row) => -(advantageOf(row) ?? -Infinity)],
  disadvantage: ["lowest advantage first", (row) => advantageOf(row) ?? Infinity],
  tokens: ["most tokens first", (row) => -row.tokens],
  short: ["fewest tokens first", (row) => row.tokens],
  hints: ["most flaws first", (row) => -row.triggers.length],
  seconds: ["slowest first", (row) => -row.seconds],
};

const latest = (values) => {
  const known = values.filter((value) => value !== null);
  return known.length ? known[known.length - 1] : null;
};

function trainingTiles(rows) {
  const { curve, settings } = state.facts;
  const done = latest(curve.step);
  const value = (found, format) => (found === null ? "–" : format(found));
  const ended = done === null ? "no step yet" : `step ${whole(done)}`;
  return [
    tile("Steps", value(done, whole), settings.steps ? `of ${whole(settings.steps)}` : "done"),
    tile("Accuracy", value(latest(curve.accuracy), (found) => percent(found, 1, 1)), ended),
    tile("Reward", value(latest(curve.reward), fixed), `mean, ${ended}`),
    tile("Tokens per rollout", value(latest(curve.tokens), whole), `mean, ${ended}`),
    tile("Programs per rollout", value(latest(curve.programs), fixed), `mean, ${ended}`),
    tile("Kept rollouts", whole(rows.length), `of ${plural(new Set(rows.map((row) => row.step)).size, "step")}`, episodes({})),
  ];
}

function learningCurve() {
  const { curve } = state.facts;
  if (!curve.step.length) return card("Learning curve", "The metrics of the first step are not written yet.");
  const share = (value) => percent(value, 1, 1);
  const charts = [
    lineChart("accuracy", curve.step, curve.accuracy, share),
    lineChart("reward", curve.step, curve.reward, (value) => fixed(value)),
    lineChart("model tokens", curve.step, curve.tokens, whole),
    lineChart("programs", curve.step, curve.programs, (value) => fixed(value)),
    ...Object.entries(curve.parts).map(([name, values]) =>
      lineChart(`reward: ${PARTS[name] || name}`, curve.step, values, (value) => fixed(value)),
    ),
  ];
  return card("Learning curve", "Means over the rollouts of a step.", el("div", { class: "curves" }, charts));
}

function keptSteps(rows) {
  const every = state.facts.settings.keep_rollouts;
  const note = every
    ? `storm.keep_rollouts=${every} keeps the rollouts of ${every === 1 ? "every step" : `steps ${every}, ${2 * every}, and so on`}.`
    : "storm.keep_rollouts=0 keeps no rollouts. It may be changed when the run is resumed.";
  if (!rows.length) return card("Steps with rollouts", note, el("p", { class: "empty" }, "No rollout was kept yet."));
  const steps = new Map();
  for (const row of rows) steps.has(row.step) ? steps.get(row.step).push(row) : steps.set(row.step, [row]);
  const body = [...steps]
    .sort(([a], [b]) => b - a)
    .map(([step, members]) => {
      const groups = [...new Set(members.map((row) => row.group))].map((group) => groupsOf().groups.get(group));
      const alike = groups.filter((group) => new Set(group.map((row) => row.reward)).size === 1);
      return [
        el("a", { href: episodes({ step: String(step) }) }, whole(step)),
        figure(whole(members.length)),
        figure(percent(members.filter((row) => row.right).length, members.length)),
        figure(fixed(mean(members.map((row) => row.reward)))),
        figure(whole(mean(members.map((row) => row.tokens)))),
        figure(`${whole(alike.length)} of ${whole(groups.length)}`),
      ];
    });
  return card(
    "Steps with rollouts",
    `${note} A group whose rollouts have the same reward gives no gradient.`,
    table(
      "Steps with rollouts",
      ["step", numeric("rollouts"), numeric("right"), numeric("reward"), numeric("tokens"), numeric("groups alike")],
      body,
    ),
  );
}

// The reward of a rollout with its parts, its advantage, and the rollouts that it is compared with.
function rewardSection(row, details) {
  const others = siblings(row);
  const size = state.facts.settings.rollouts_per_problem;
  const advantage = advantageOf(row);
  const parts = Object.entries(details.reward).filter(([name, value]) => name !== "total" && (value || name === "correct"));
  const made = el(
    "section",
    { class: "reward" },
    el("h2", {}, "Reward"),
    factList([
      ...parts.map(([name, value]) => [PARTS[name] || words(name), `${name !== "correct" && value > 0 ? "+" : ""}${exact(value)}`]),
      ["reward", el("b", {}, exact(details.reward.total))],
      ["advantage", el("b", {}, signed(advantage))],
    ]),
    el(
      "p",
      { class: "note" },
      state.facts.settings.divide_by_deviation === false
        ? "Advantage: the reward minus the mean of the group."
        : "Advantage: (reward − mean of the group) / (standard deviation + 1e-6), as in GRPO.",
      advantage === null
        ? ` The page has ${whole(others.length)} of the ${whole(size)} rollouts of this group: it is not complete yet, or the trainer replaced it.`
        : "",
    ),
    el("h3", {}, `Group: ${plural(others.length, "rollout")} of this problem in step ${whole(row.step)}`),
    table(
      "Rollouts of the group",
      ["rollout", "outcome", numeric("reward"), numeric("advantage"), numeric("tokens"), numeric("programs")],
      others.map((one) => [
        one === row
          ? el("b", {}, `rollout ${one.sample + 1}`)
          : el("a", { href: link("episode", route().filters, one.key) }, `rollout ${one.sample + 1}`),
        el("td", {}, badge(one.outcome)),
        figure(exact(one.reward)),
        figure(signed(advantageOf(one))),
        figure(whole(one.tokens)),
        figure(whole(one.programs)),
      ]),
    ),
  );
  made.again = (now) => rewardSection(now, details);
  return made;
}

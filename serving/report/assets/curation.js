// Overview of a curation: the funnel, position and length of hints, the intervener.

function curationTiles(all) {
  const { count, golden, wall } = all;
  return [
    tile(
      "Golden yield",
      percent(golden.count, count, 1),
      `${whole(golden.count)} of ${whole(count)}`,
      episodes({ outcome: "golden" }),
    ),
    tile("Right at once", percent(all.native, count, 1), "without interventions"),
    tile("Right in the end", percent(all.right, count, 1), "with hints"),
    tile(
      "Hints",
      whole(all.hints),
      `in ${plural(all.hinted, "trajectory", "trajectories")}`,
      episodes({ hinted: "yes" }),
    ),
    tile(
      "Hint share",
      percent(golden.share_mean, 1, 1),
      `of the tokens of a golden trajectory, mean; ${percent(golden.share_max, 1, 1)} at most`,
    ),
    tile("Wall time", duration(wall), wall ? `${whole((60 * count) / wall)} problems per minute` : ""),
  ];
}

function curationFunnel(all) {
  const { count } = all;
  const kept = countIn(all.courses, "at_once"),
    corrected = countIn(all.courses, "corrected"),
    lost = countIn(all.courses, "lost");
  const golden = all.golden.count;
  const items = [
    { label: "problems", value: count, href: episodes({}), strong: true },
    {
      label: "right at once",
      value: kept,
      tone: "calm",
      href: episodes({ course: "at_once" }),
      note: percent(kept, count, 1),
    },
    {
      label: "corrected",
      value: corrected,
      start: kept,
      tone: "hint",
      href: episodes({ course: "corrected" }),
      note: percent(corrected, count, 1),
    },
    { label: "right in the end", value: kept + corrected, strong: true, note: percent(kept + corrected, count, 1) },
    {
      label: "golden",
      value: golden,
      tone: "good",
      href: episodes({ outcome: "golden" }),
      strong: true,
      note: percent(golden, count, 1),
    },
  ];
  if (lost)
    items.splice(3, 0, {
      label: "lost by hints",
      value: lost,
      tone: "bad",
      href: episodes({ course: "lost" }),
      note: percent(lost, count, 1),
    });
  return card(
    "Funnel",
    null,
    bars(items, count),
    discarded(
      all.outcomes.filter(([outcome]) => outcome !== "golden"),
      "Discarded",
    ),
  );
}

function hintShares(all) {
  const { golden } = all;
  const limit = state.facts.settings.max_hint_share;
  const count = Math.min(SHARE_BINS, Math.max(10, Math.ceil(golden.share_max / 0.01)));
  const bins = golden.shares.slice(0, count).map((value, i) => ({
    label: `${i} to ${i + 1} %`,
    tick: i % 5 ? "" : `${i}`,
    value,
  }));
  const hinted = sum(golden.shares);
  return card(
    "Hint share",
    `Share of hint tokens in hint and model tokens, for golden trajectories with hints${limit ? `; the limit is ${percent(limit, 1)}` : ""}. ${plural(golden.without_hints, "golden trajectory", "golden trajectories")} had none.`,
    histogram(bins, `${plural(hinted, "golden trajectory", "golden trajectories")} with hints`, "% of the tokens"),
  );
}

function hintPositions(all) {
  const { positions } = all;
  const bins = positions.bins.map((value, i) => ({
    label: `${10 * i} to ${10 * i + 10} %`,
    tick: `${10 * i}`,
    value,
  }));
  return card(
    "Position of hints",
    "As a share of the text after the prompt; 0 is the beginning of the reasoning.",
    histogram(bins, `${plural(positions.count, "hint")}, mean ${percent(positions.mean, 1)}`, "% of the text"),
  );
}

function intervener(all) {
  const reasons = all.rejected;
  const [calls, cached, input, output, price, seconds] = all.cost;
  const cost = [
    ["calls", whole(calls)],
    ["answered from the cache", whole(cached)],
    ["tokens in", whole(input)],
    ["tokens out", whole(output)],
    ["price", price ? price.toLocaleString("en-US", { maximumFractionDigits: 4 }) : "–"],
    ["waiting", duration(seconds)],
  ];
  return card(
    "The intervener",
    "Rejected hints by reason, and the cost of the intervener. Rules are free.",
    reasons.length
      ? bars(
          reasons.map(([reason, value]) => ({
            label: words(reason),
            value,
            tone: "bad",
            href: episodes({ rejected: reason }),
          })),
          reasons[0][1],
        )
      : el("p", { class: "note" }, "No hint was rejected."),
    calls || cached ? factList(cost) : el("p", { class: "note" }, "No calls to an endpoint."),
  );
}

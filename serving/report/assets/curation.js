// Overview of a curation: the funnel, position and length of hints, the intervener.

function curationTiles(rows) {
  const all = rows.length,
    golden = rows.filter((row) => row.outcome === "golden");
  const wall = largest(rows.map((row) => row.at));
  const hinted = rows.filter((row) => row.triggers.length);
  return [
    tile(
      "Golden yield",
      percent(golden.length, all, 1),
      `${whole(golden.length)} of ${whole(all)}`,
      episodes({ outcome: "golden" }),
    ),
    tile("Right at once", percent(rows.filter((row) => row.native).length, all, 1), "without interventions"),
    tile("Right in the end", percent(rows.filter((row) => row.right).length, all, 1), "with hints"),
    tile(
      "Hints",
      whole(sum(rows.map((row) => row.triggers.length))),
      `in ${plural(hinted.length, "trajectory", "trajectories")}`,
      episodes({ hinted: "yes" }),
    ),
    tile(
      "Hint share",
      percent(mean(golden.map((row) => row.share)), 1, 1),
      `of the tokens of a golden trajectory, mean; ${percent(largest(golden.map((row) => row.share)), 1, 1)} at most`,
    ),
    tile("Wall time", duration(wall), wall ? `${whole((60 * all) / wall)} problems per minute` : ""),
  ];
}

function curationFunnel(rows) {
  const all = rows.length;
  const count = (course) => rows.filter((row) => courseOf(row) === course).length;
  const kept = count("at_once"),
    corrected = count("corrected"),
    lost = count("lost");
  const golden = rows.filter((row) => row.outcome === "golden").length;
  const items = [
    { label: "problems", value: all, href: episodes({}), strong: true },
    {
      label: "right at once",
      value: kept,
      tone: "calm",
      href: episodes({ course: "at_once" }),
      note: percent(kept, all, 1),
    },
    {
      label: "corrected",
      value: corrected,
      start: kept,
      tone: "hint",
      href: episodes({ course: "corrected" }),
      note: percent(corrected, all, 1),
    },
    { label: "right in the end", value: kept + corrected, strong: true, note: percent(kept + corrected, all, 1) },
    {
      label: "golden",
      value: golden,
      tone: "good",
      href: episodes({ outcome: "golden" }),
      strong: true,
      note: percent(golden, all, 1),
    },
  ];
  if (lost)
    items.splice(3, 0, {
      label: "lost by hints",
      value: lost,
      tone: "bad",
      href: episodes({ course: "lost" }),
      note: percent(lost, all, 1),
    });
  return card(
    "Funnel",
    null,
    bars(items, all),
    discarded(
      rows.filter((row) => row.outcome !== "golden"),
      "Discarded",
    ),
  );
}

function hintShares(rows) {
  const golden = rows.filter((row) => row.outcome === "golden" && row.share > 0).map((row) => row.share);
  const limit = state.facts.settings.max_hint_share;
  const step = 0.01,
    count = Math.min(30, Math.max(10, Math.ceil(largest(golden) / step)));
  const bins = Array.from({ length: count }, (_, i) => ({
    label: `${i} to ${i + 1} %`,
    tick: i % 5 ? "" : `${i}`,
    value: 0,
  }));
  for (const share of golden) bins[Math.min(count - 1, Math.floor(share / step))].value += 1;
  const without = rows.filter((row) => row.outcome === "golden" && row.share === 0).length;
  return card(
    "Hint share",
    `Share of hint tokens in hint and model tokens, for golden trajectories with hints${limit ? `; the limit is ${percent(limit, 1)}` : ""}. ${plural(without, "golden trajectory", "golden trajectories")} had none.`,
    histogram(bins, `${plural(golden.length, "golden trajectory", "golden trajectories")} with hints`, "% of the tokens"),
  );
}

function hintPositions(rows) {
  const positions = rows.flatMap((row) => row.positions);
  const bins = Array.from({ length: 10 }, (_, i) => ({
    label: `${10 * i} to ${10 * i + 10} %`,
    tick: `${10 * i}`,
    value: 0,
  }));
  for (const position of positions) bins[Math.min(9, Math.floor(10 * position))].value += 1;
  return card(
    "Position of hints",
    "As a share of the text after the prompt; 0 is the beginning of the reasoning.",
    histogram(bins, `${plural(positions.length, "hint")}, mean ${percent(mean(positions), 1)}`, "% of the text"),
  );
}

function intervener(rows) {
  const reasons = counted(rows.flatMap((row) => row.rejected_hints));
  const total = [0, 1, 2, 3, 4, 5].map((place) => sum(rows.map((row) => (row.cost ? row.cost[place] : 0))));
  const [calls, cached, input, output, price, seconds] = total;
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

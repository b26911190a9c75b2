// The report of a solve as this page draws it: values of the wrong kind are left out, lists are bounded.

const num = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
const str = (value, most = 2000) => (typeof value === "string" ? value.slice(0, most) : "");
const arr = (value, most = 5000) => (Array.isArray(value) ? value.slice(0, most) : []);
const obj = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const texts = (value, most = 500) =>
  arr(value, most)
    .map((one) => str(one))
    .filter(Boolean);

// Return the report, or null if there is none.
export function readReport(data) {
  if (!data || typeof data !== "object" || Array.isArray(data)) return null;
  return {
    library: str(data.library, 60),
    solver: str(data.solver, 60),
    status: str(data.status, 40),
    sense: ["minimize", "maximize"].includes(data.sense) ? data.sense : null,
    objective: num(data.objective),
    check: { outcome: str(obj(data.check).outcome, 40), text: str(obj(data.check).text) },
    variables: arr(data.variables, 1000)
      .map(obj)
      .map((one) => ({
        name: str(one.name, 300),
        value: num(one.value),
        lower: num(one.lower),
        upper: num(one.upper),
        integer: one.integer === true,
        cost: num(one.cost),
        reducedCost: num(one.reduced_cost),
      })),
    leftOut: num(data.variables_left_out) || 0,
    zero: num(data.zero) || 0,
    groups: arr(data.groups, 200)
      .map(obj)
      .map(group)
      .filter((one) => one.values.length),
    constraints: arr(data.constraints, 500)
      .map(obj)
      .map((one) => ({
        name: str(one.name, 300),
        text: str(one.text),
        activity: num(one.activity),
        lower: num(one.lower),
        upper: num(one.upper),
        slack: num(one.slack),
        binding: one.binding === true,
        worth: num(one.worth),
        worthText: str(one.worth_text),
        range: Array.isArray(one.range) && one.range.length === 2 ? one.range.map(num) : null,
      })),
    constraintsLeftOut: num(data.constraints_left_out) || 0,
    explanation: texts(data.explanation),
    conflict:
      data.conflict && typeof data.conflict === "object"
        ? {
            members: arr(data.conflict.members, 500)
              .map(obj)
              .map((one) => ({
                name: str(one.name, 300),
                text: str(one.text),
                kind: str(one.kind, 20),
                side: str(one.side, 20),
              })),
            irreducible: data.conflict.irreducible === true,
            sentences: texts(data.conflict.sentences),
          }
        : null,
    relaxation:
      data.relaxation && typeof data.relaxation === "object"
        ? {
            changes: arr(data.relaxation.changes, 200)
              .map(obj)
              .map((one) => ({
                kind: str(one.kind, 20),
                name: str(one.name, 300),
                before: num(one.before),
                after: num(one.after),
                text: str(one.text),
              })),
            dropped: texts(data.relaxation.dropped),
            sentences: texts(data.relaxation.sentences),
          }
        : null,
    notation: arr(obj(data.notation).lines, 500)
      .map(obj)
      .map((one) => ({ name: str(one.name, 300), math: one.math }))
      .filter((one) => Array.isArray(one.math)),
    notationLeftOut: num(obj(data.notation).left_out) || 0,
    changeable: data.changeable === true,
    chart: chart(data.chart),
    notChecked: texts(data.not_checked),
  };
}

function group(data) {
  const indices = arr(data.indices).map((one) => arr(one, 6).map((part) => str(String(part), 200)));
  const values = arr(data.values).map(num);
  const names = arr(data.names).map((one) => str(one, 300));
  const count = Math.min(indices.length, values.length);
  const size = indices[0]?.length || 0;
  return {
    name: str(data.name, 200),
    size,
    indices: indices.slice(0, count),
    values: values.slice(0, count),
    names: names.length === values.length ? names.slice(0, count) : [],
  };
}

function chart(data) {
  const given = obj(data);
  const title = str(given.title, 200);
  const list = (name) => arr(given[name], 2000);
  if (given.kind === "bars") {
    const values = list("values").map(num);
    return {
      kind: "bars",
      title,
      items: list("labels").map((label, at) => ({ label: str(String(label), 200), value: values[at] ?? 0 })),
    };
  }
  if (given.kind === "flows") {
    const to = list("targets"),
      values = list("values").map(num);
    return {
      kind: "flows",
      title,
      items: list("sources").map((from, at) => ({
        from: str(String(from), 200),
        to: str(String(to[at] ?? ""), 200),
        value: values[at] ?? 0,
      })),
    };
  }
  if (given.kind === "gantt") {
    const items = list("tasks")
      .map(obj)
      .map((one) => ({
        label: str(String(one.label ?? ""), 200),
        row: str(String(one.row ?? ""), 200),
        start: num(one.start),
        end: num(one.end),
      }));
    return {
      kind: "gantt",
      title,
      items: items.filter((one) => one.start !== null && one.end !== null && one.end >= one.start),
    };
  }
  return null;
}

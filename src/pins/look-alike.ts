const ignorable = /\p{Default_Ignorable_Code_Point}/gu;

/** The names of which another looks the same: equal when case, width and what shows as nothing are left aside. */
export function lookAlikes(names: Iterable<string>): ReadonlySet<string> {
  const byLook = new Map<string, string>();
  const found = new Set<string>();
  for (const name of names) {
    const look = folded(name);
    const first = byLook.get(look);
    if (first === undefined) byLook.set(look, name);
    else if (first !== name) found.add(first).add(name);
  }
  return found;
}

/** Upper case first: `ſ` and `K` (Kelvin) only meet `s` and `k` on that way. */
function folded(name: string): string {
  return name.normalize('NFKC').replace(ignorable, '').toUpperCase().toLowerCase().normalize('NFKC');
}

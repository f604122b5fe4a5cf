/** Whether some name fits both patterns. At most 512 by 512 steps. */
export function overlap(one: string, other: string): boolean {
  // `row[j]`: whether what is left of `one` and `other.slice(j)` can be the same text.
  let row = Array.from({ length: other.length + 1 }, (_, j) => isStars(other.slice(j)));
  for (let i = one.length - 1; i >= 0; i--) {
    const above = row;
    row = Array.from({ length: other.length + 1 }, () => false);
    for (let j = other.length; j >= 0; j--) {
      const star = one[i] === '*';
      const otherStar = other[j] === '*';
      if (star) row[j] = above[j] === true || (j < other.length && row[j + 1] === true);
      else if (otherStar) row[j] = row[j + 1] === true || above[j] === true;
      else row[j] = one[i] === other[j] && above[j + 1] === true;
    }
  }
  return row[0] === true;
}

function isStars(text: string): boolean {
  return /^\**$/.test(text);
}

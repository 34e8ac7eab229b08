/**
 * A load test, run by hand. `node tests/web/soak.mjs 200` cuts a client's link 200 times at
 * random moments, while 100 messages a second are published.
 */

import { startPlace, until } from "./place.mjs";

/** Returns the number of published messages, the received offsets, the gaps, and the stats. */
export async function soak(t, place, { cuts, rate = 100, apart = 300 }) {
  const client = place.connect(t);
  const got = [];
  let gaps = 0;
  const news = client.subscribe("soak", (message) => {
    got.push(message.position.offset);
    if (message.payload !== message.position.offset) throw new Error("another message");
    gaps += message.gap;
  });
  await news.entered();
  await place.flow("soak", rate);
  for (let cut = 0; cut < cuts; cut += 1) {
    await new Promise((resolve) => setTimeout(resolve, -Math.log(1 - Math.random()) * apart));
    await place.cut();
    await until(() => client.stats.reconnects > cut);
  }
  const published = await place.ebb();
  await until(() => got.length >= published);
  return { published, got, gaps, stats: client.stats };
}

/** True if the offsets are 1 to N, in order, each once. */
export function complete({ published, got, gaps }) {
  return gaps === 0 && got.length === published && got.every((offset, i) => offset === i + 1);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const place = await startPlace({ history: 10_000 });
  const ends = [() => place.end()];
  const cuts = Number(process.argv[2] ?? 200);
  const report = await soak({ after: (end) => ends.unshift(end) }, place, { cuts });
  const { published, stats } = report;
  const right = complete(report);
  console.log(
    `${cuts} cuts, ${stats.reconnects} reconnects, ${published} messages, ` +
      `${stats.duplicates} came twice: ${right ? "1…N" : "WRONG"}`,
  );
  for (const end of ends) await end();
  process.exitCode = right ? 0 : 1;
}

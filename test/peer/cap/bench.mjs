// How many messages a second the npm library reads, on one core: node bench.mjs FILE…
// For each file: after a second of warming up, the middle of seven seconds.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { Alert } = createRequire(import.meta.url)('@dec112/cap-ts').CAP_1_2

// Of the processor's seconds: what other processes take away is not in it.
const second = async (text) => {
  const begin = process.cpuUsage()
  const end = performance.now() + 1000
  let n = 0
  while (performance.now() < end) {
    await Alert.fromXML(text)
    n++
  }
  const used = process.cpuUsage(begin)
  return Math.round(n / ((used.user + used.system) / 1e6))
}

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8')
  await second(text)
  const counts = []
  for (let i = 0; i < 7; i++) counts.push(await second(text))
  counts.sort((a, b) => a - b)
  console.log(`${file}: ${text.length} characters, ${counts[3]} messages for a second of the processor (${counts[0]} to ${counts[6]})`)
}

// One clock for all waits of a command: whatever makes progress calls `progress`, and a command that makes none for
// 30 s ends. A timer for each read would show up in the benchmarks.

const PATIENCE_MS = 30_000

let latest = Date.now()

export function progress () {
  latest = Date.now()
}

export function endWhenStuck () {
  progress()
  setInterval(() => {
    if (Date.now() - latest > PATIENCE_MS) {
      console.error('error: nothing happened for 30 s')
      process.exit(1)
    }
  }, 500)
}

import { parseArgs } from 'node:util'
import { multiaddr } from '@multiformats/multiaddr'
import { commands, stdinEnd } from './commands.js'
import { canMakeKey, KEY_TYPES, makeKey, makeNode } from './node.js'
import { endWhenStuck } from './patience.js'
import { serve } from './protocols.js'
import { pubsub } from './pubsub.js'

const COUNTS = { ping: 5, streams: 50, 'short-streams': 6000, latency: 100, connect: 50, idle: 100 }
const BYTES = { echo: 10 * 1024 * 1024, 'half-close': 1_000_000, streams: 65_536, 'short-streams': 29 }
const NUMBERS = {
  count: COUNTS,
  bytes: BYTES,
  'upload-bytes': { perf: 1024 ** 3 },
  'download-bytes': { perf: undefined },
  iterations: { perf: 1 },
  parallel: { connect: 1 }
}

/** The commands that take no address, and their options. */
const SERVERS = { listen: ['listen'], pubsub: ['listen', 'config'] }

class UsageError extends Error {}

/** Turns the arguments into a command, an address and options; throws where they are wrong. */
function parse (args) {
  const command = args[0]
  const serves = Object.hasOwn(SERVERS, command ?? '')
  if (!serves && !(command in commands)) {
    throw new UsageError('usage: peer listen [options] | peer pubsub [options] | peer COMMAND MULTIADDR [options]')
  }
  const numbers = Object.keys(NUMBERS).filter(name => command in NUMBERS[name])
  const known = Object.fromEntries([...numbers, 'key', ...(SERVERS[command] ?? [])]
    .map(name => [name, { type: 'string' }]))
  const { values, positionals } = parseArgs({ args: args.slice(1), options: known, allowPositionals: true })
  const options = { key: values.key ?? 'ed25519', listen: values.listen ?? '/ip4/127.0.0.1/tcp/0', config: values.config ?? '{}' }
  if (!KEY_TYPES.includes(options.key)) {
    throw new UsageError(`unknown key type ${options.key}`)
  }
  for (const name of numbers) {
    const text = values[name]
    if (text != null && !/^\d+$/.test(text)) {
      throw new UsageError(`--${name} takes a number, not ${text}`)
    }
    options[name] = text == null ? NUMBERS[name][command] : Number(text)
  }
  if (positionals.length !== (serves ? 0 : 1)) {
    throw new UsageError(serves ? `${command} takes no address` : 'one address is needed')
  }
  const address = positionals[0] == null ? undefined : multiaddr(positionals[0])
  if (address != null && !positionals[0].includes('/p2p/')) {
    throw new UsageError('the address lacks /p2p/<peer id>')
  }
  return { command, address, options }
}

async function listen (options) {
  const node = await makeNode(await makeKey(options.key), [options.listen])
  await serve(node)
  const stop = Promise.race([stdinEnd(), new Promise(resolve => process.once('SIGTERM', resolve))])
  console.log(JSON.stringify({
    event: 'listening',
    peer_id: node.peerId.toString(),
    addrs: node.getMultiaddrs().map(String)
  }))
  await stop
  process.exit(0)
}

let parsed
try {
  parsed = parse(process.argv.slice(2))
} catch (error) {
  console.error(error.message)
  process.exit(2)
}

if (!canMakeKey(parsed.options.key)) {
  console.error(`error: js-libp2p cannot use a key of type ${parsed.options.key}`)
  process.exit(3)
}

try {
  const { command, address, options } = parsed
  if (command === 'listen') {
    await listen(options)
  }
  if (command === 'pubsub') {
    await pubsub(options)
  }
  if (command !== 'perf') {
    endWhenStuck()
  }
  await commands[command](address, options)
  process.exit(0)
} catch (error) {
  console.error(`error: ${error.name}: ${error.message}`)
  process.exit(1)
}

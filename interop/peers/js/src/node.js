import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

// The library makes ECDSA keys too, but no peer id from them.
const KEY_NAMES = { ed25519: 'Ed25519', secp256k1: 'secp256k1', ecdsa: undefined, rsa: 'RSA' }

// A limit that no test reaches. Some limits are put into timers or rate counters, so it has to be a plain integer.
const UNLIMITED = 1_000_000

export const STREAM_LIMITS = { maxInboundStreams: UNLIMITED, maxOutboundStreams: UNLIMITED }

const READ_BUFFER = 32 * 1024 * 1024

export const KEY_TYPES = Object.keys(KEY_NAMES)

export const canMakeKey = type => KEY_NAMES[type] != null

export async function makeKey (type) {
  return generateKeyPair(KEY_NAMES[type])
}

export async function makeNode (privateKey, listen = [], services = {}) {
  const node = await createLibp2p({
    start: false,
    privateKey,
    addresses: { listen },
    nodeInfo: { userAgent: 'interop-js/1' },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({
      maxInboundStreams: UNLIMITED,
      maxOutboundStreams: UNLIMITED,
      // Streams that arrive before the connection is announced; more of them than this end the connection.
      maxEarlyStreams: UNLIMITED,
      // The receive window grows to 16 MiB and a paused stream may be sent all of it; the default buffer of 4 MiB
      // would then reset the stream.
      streamOptions: { maxReadBufferLength: READ_BUFFER }
    })],
    connectionManager: {
      maxConnections: UNLIMITED,
      inboundConnectionThreshold: UNLIMITED,
      maxIncomingPendingConnections: UNLIMITED
    },
    // It drops connections whose pings are late, as they are on a busy machine.
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(STREAM_LIMITS),
      identifyPush: identifyPush(STREAM_LIMITS),
      ping: ping({ ...STREAM_LIMITS, timeout: 3_600_000 }),
      ...services
    }
  })
  // The library has an option for the agent version only.
  for (const service of [node.services.identify, node.services.identifyPush]) {
    service.host.protocolVersion = 'p2pstack-interop/1'
  }
  await node.start()
  return node
}

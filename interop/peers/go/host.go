package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

var keyTypes = map[string]int{
	"ed25519":   crypto.Ed25519,
	"secp256k1": crypto.Secp256k1,
	"ecdsa":     crypto.ECDSA,
	"rsa":       crypto.RSA,
}

func newKey(keyType string) (crypto.PrivKey, error) {
	const rsaBits = 2048 // the other key types have only one size
	key, _, err := crypto.GenerateKeyPairWithReader(keyTypes[keyType], rsaBits, rand.Reader)
	return key, err
}

// newHost makes a host that listens on the given addresses, or only dials if there are none.
func newHost(keyType string, listen ...string) (host.Host, error) {
	key, err := newKey(keyType)
	if err != nil {
		return nil, err
	}
	return newHostWithKey(key, listen...)
}

func newHostWithKey(key crypto.PrivKey, listen ...string) (host.Host, error) {
	listening := libp2p.NoListenAddrs
	if len(listen) > 0 {
		listening = libp2p.ListenAddrStrings(listen...)
	}
	return libp2p.New(
		libp2p.Identity(key),
		listening,
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.UserAgent("interop-go/1"),
		libp2p.ProtocolVersion("p2pstack-interop/1"),
		// The tests open more connections and streams from one address than the default limits let through.
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.ConnectionManager(&connmgr.NullConnMgr{}),
		// On a busy machine a handshake can take longer than the 5 s that are the default for local addresses.
		libp2p.SwarmOpts(swarm.WithDialTimeout(patience), swarm.WithDialTimeoutLocal(patience)),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
	)
}

// dial makes a host and connects it to the target, which includes identify.
func dial(target peer.AddrInfo, o options) (host.Host, error) {
	h, err := newHost(o.key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Connect(ctx, target); err != nil {
		h.Close()
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return h, nil
}

// onlyConnected keeps the library from dialing again when the connection is gone: every command but connect and idle
// is about one connection.
func onlyConnected(ctx context.Context) context.Context {
	return network.WithNoDial(ctx, "the connection is part of the test")
}

func openStream(h host.Host, target peer.ID, id protocol.ID) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(onlyConnected(context.Background()), patience)
	defer cancel()
	s, err := h.NewStream(ctx, target, id)
	if err != nil {
		return nil, fmt.Errorf("opening a stream for %s: %w", id, err)
	}
	return s, nil
}

// The go-libp2p interop peer: its arguments and output are described in ../README.md.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

// patience is the longest that any single wait may take.
const patience = 30 * time.Second

type options struct {
	key        string
	listen     string
	bytes      int64
	upload     int64
	download   int64
	count      int
	iterations int
	parallel   int
	noIdentify bool
	config     string
}

type command func(target peer.AddrInfo, o options) error

// parseCommand says what to run for a command's name, having registered on flags the options that the command takes.
func parseCommand(name string, flags *flag.FlagSet, o *options) command {
	switch name {
	case "ping":
		flags.IntVar(&o.count, "count", 5, "how many pings")
		return runPing
	case "identify":
		return runIdentify
	case "echo":
		flags.Int64Var(&o.bytes, "bytes", 10485760, "how many bytes to send")
		return runEcho
	case "half-close":
		flags.Int64Var(&o.bytes, "bytes", 1000000, "how many bytes to send")
		return runHalfClose
	case "streams":
		flags.IntVar(&o.count, "count", 50, "how many streams at once")
		flags.Int64Var(&o.bytes, "bytes", 65536, "how many bytes to send on each")
		return runStreams
	case "short-streams":
		flags.IntVar(&o.count, "count", 6000, "how many streams one after another")
		flags.Int64Var(&o.bytes, "bytes", 29, "how many bytes to send on each")
		return runShortStreams
	case "perf":
		flags.Int64Var(&o.upload, "upload-bytes", 1<<30, "how many bytes to send")
		flags.Int64Var(&o.download, "download-bytes", -1, "how many bytes to fetch (default: as many as sent)")
		flags.IntVar(&o.iterations, "iterations", 1, "how many times")
		return runPerf
	case "latency":
		flags.IntVar(&o.count, "count", 100, "how many streams and how many pings")
		return runLatency
	case "connect":
		flags.IntVar(&o.count, "count", 50, "how many connections")
		flags.IntVar(&o.parallel, "parallel", 1, "how many at a time")
		flags.BoolVar(&o.noIdentify, "no-identify", false, "stop the clock before identify is done")
		return runConnect
	case "idle":
		flags.IntVar(&o.count, "count", 100, "how many connections")
		return runIdle
	case "wrong-peer-id":
		return runWrongPeerID
	case "unknown-protocol":
		return runUnknownProtocol
	}
	return nil
}

func main() {
	if len(os.Args) < 2 {
		fail(exitUsage, errors.New("usage: peer listen [options] | peer pubsub [options] | peer COMMAND MULTIADDR [options]"))
	}
	name, args := os.Args[1], os.Args[2:]

	var o options
	flags := flag.NewFlagSet("peer "+name, flag.ExitOnError)
	flags.StringVar(&o.key, "key", "ed25519", "key type: ed25519, secp256k1, ecdsa or rsa")

	var err error
	if name == "listen" || name == "pubsub" {
		flags.StringVar(&o.listen, "listen", "/ip4/127.0.0.1/tcp/0", "address to listen on")
		if name == "pubsub" {
			flags.StringVar(&o.config, "config", "{}", "a JSON object")
		}
		parseFlags(flags, args)
		if _, err := multiaddr.NewMultiaddr(o.listen); err != nil {
			fail(exitUsage, err)
		}
		if name == "pubsub" {
			err = runPubsub(o)
		} else {
			err = runListen(o)
		}
	} else {
		run := parseCommand(name, flags, &o)
		if run == nil {
			fail(exitUsage, fmt.Errorf("unknown command %q", name))
		}
		if len(args) == 0 {
			fail(exitUsage, fmt.Errorf("usage: peer %s MULTIADDR [options]", name))
		}
		target, parseErr := peer.AddrInfoFromString(args[0])
		if parseErr != nil {
			fail(exitUsage, parseErr)
		}
		parseFlags(flags, args[1:])
		err = run(*target, o)
	}
	if err != nil {
		fail(exitFailed, err)
	}
}

func parseFlags(flags *flag.FlagSet, args []string) {
	flags.Parse(args)
	if flags.NArg() > 0 {
		fail(exitUsage, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	if _, known := keyTypes[flags.Lookup("key").Value.String()]; !known {
		fail(exitUsage, fmt.Errorf("unknown key type %q", flags.Lookup("key").Value))
	}
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(code)
}

func printLine(v any) error { return newEncoder(os.Stdout).Encode(v) }

func newEncoder(to io.Writer) *json.Encoder {
	out := json.NewEncoder(to)
	out.SetEscapeHTML(false)
	return out
}

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// zeros is what perf sends: making up data would be part of the measured time.
var zeros [chunkSize]byte

func sendZeros(s network.Stream, size uint64) error {
	for size > 0 {
		n := min(size, chunkSize)
		if _, err := s.Write(zeros[:n]); err != nil {
			return err
		}
		size -= n
	}
	return nil
}

func drain(s network.Stream, buf []byte) (uint64, error) {
	var total uint64
	for {
		n, err := s.Read(buf)
		total += uint64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

func answerPerf(s network.Stream) error {
	var header [8]byte
	if _, err := io.ReadFull(s, header[:]); err != nil {
		return err
	}
	if _, err := drain(s, make([]byte, chunkSize)); err != nil {
		return err
	}
	return sendZeros(s, binary.BigEndian.Uint64(header[:]))
}

// exchangePerf runs one perf stream and says how long it took from before it was opened until the last byte of the
// answer was there, which the server sends only after it has read everything. Zero patience is endless.
func exchangePerf(
	h host.Host, target peer.ID, upload, download uint64, buf []byte, patience time.Duration,
) (time.Duration, error) {
	start := time.Now()
	s, err := openStream(h, target, perfProtocol)
	if err != nil {
		return 0, err
	}
	defer s.Reset() // does nothing to a stream that ended well
	if patience > 0 {
		s.SetDeadline(start.Add(patience))
	}

	var header [8]byte
	binary.BigEndian.PutUint64(header[:], download)
	if _, err := s.Write(header[:]); err != nil {
		return 0, err
	}
	if err := sendZeros(s, upload); err != nil {
		return 0, err
	}
	if err := s.CloseWrite(); err != nil {
		return 0, err
	}
	received, err := drain(s, buf)
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	if received != download {
		return 0, fmt.Errorf("%d bytes came, not %d", received, download)
	}
	return took, s.Close()
}

func runPerf(target peer.AddrInfo, o options) error {
	upload, download := uint64(o.upload), uint64(o.download)
	if o.download < 0 {
		download = upload
	}
	h, err := dial(target, o)
	if err != nil {
		return err
	}
	defer h.Close()

	buf := make([]byte, chunkSize)
	for range o.iterations {
		up, err := exchangePerf(h, target.ID, upload, 0, buf, 0)
		if err != nil {
			return fmt.Errorf("upload: %w", err)
		}
		down, err := exchangePerf(h, target.ID, 0, download, buf, 0)
		if err != nil {
			return fmt.Errorf("download: %w", err)
		}
		err = printLine(struct {
			Upload   float64 `json:"upload_bytes_per_s"`
			Download float64 `json:"download_bytes_per_s"`
		}{float64(upload) / up.Seconds(), float64(download) / down.Seconds()})
		if err != nil {
			return err
		}
	}
	return nil
}

func runLatency(target peer.AddrInfo, o options) error {
	h, err := dial(target, o)
	if err != nil {
		return err
	}
	defer h.Close()

	buf := make([]byte, chunkSize)
	var streams, pings []time.Duration
	for range o.count {
		took, err := exchangePerf(h, target.ID, 1, 1, buf, patience)
		if err != nil {
			return err
		}
		streams = append(streams, took)
	}
	err = pingTimes(h, target.ID, o.count, func(rtt time.Duration) error {
		pings = append(pings, rtt)
		return nil
	})
	if err != nil {
		return err
	}
	return printLine(struct {
		Stream float64 `json:"stream_ms"`
		Ping   float64 `json:"ping_ms"`
	}{milliseconds(median(streams)), milliseconds(median(pings))})
}

func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	middle := len(times) / 2
	if len(times)%2 == 1 {
		return times[middle]
	}
	return (times[middle-1] + times[middle]) / 2
}

func milliseconds(d time.Duration) float64 {
	return float64(d) / float64(time.Millisecond)
}

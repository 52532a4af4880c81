package main

import (
	"encoding/binary"
	"sync"
	"time"
)

// counter counts the messages of a topic in place of printing them.
type counter struct {
	mutex     sync.Mutex
	on        bool
	received  int
	seen      map[uint64]struct{}
	latencies []int64 // of those seen for the first time
	published int64
	first     int64
	last      int64
}

func (c *counter) start() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.on, c.received, c.seen, c.latencies = true, 0, make(map[uint64]struct{}), []int64{}
	c.published, c.first, c.last = 0, 0, 0
}

// add says whether the message was counted.
func (c *counter) add(data []byte) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.on {
		return false
	}
	if len(data) < 16 {
		return true
	}
	now := time.Now().UnixMicro()
	number, stamp := binary.BigEndian.Uint64(data), int64(binary.BigEndian.Uint64(data[8:]))
	c.received++
	if _, again := c.seen[number]; again {
		return true
	}
	c.seen[number] = struct{}{}
	c.latencies = append(c.latencies, now-stamp)
	if c.first == 0 {
		c.first = now
	}
	c.last = now
	if c.published == 0 || stamp < c.published {
		c.published = stamp
	}
	return true
}

func (c *counter) result(latencies bool) fields {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	result := fields{
		"received": c.received, "distinct": len(c.seen),
		"published_us": c.published, "first_us": c.first, "last_us": c.last,
	}
	if latencies {
		result["latencies_us"] = c.latencies
	}
	return result
}

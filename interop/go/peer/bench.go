package main

import (
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// readDelay is how often a linear read looks whether its index has been applied.
const readDelay = 50 * time.Microsecond

func (n *node) bench(r *request) (object, error) {
	if r.Concurrency < 1 || r.Seconds <= 0 || (r.Mode != "write" && r.Mode != "read") {
		return nil, errors.New("bench wants seconds, concurrency and mode write or read")
	}
	act := n.linearRead
	if r.Mode == "write" {
		data := make([]byte, max(r.Size, 1))
		act = func() error { return n.raft.Apply(data, 0).Error() }
	}
	if _, err := closedLoop(r.Concurrency, milliseconds(r.Warmup*1000), act); err != nil {
		return nil, err
	}
	start, cpu := time.Now(), cpuSeconds()
	times, err := closedLoop(r.Concurrency, milliseconds(r.Seconds*1000), act)
	if err != nil {
		return nil, err
	}
	seconds := time.Since(start).Seconds()
	slices.Sort(times)
	return object{
		"ops": len(times), "seconds": seconds,
		"p50": percentile(times, 0.5), "p90": percentile(times, 0.9),
		"p99": percentile(times, 0.99), "max": percentile(times, 1),
		"cpuSeconds": cpuSeconds() - cpu, "rss": residentBytes(),
	}, nil
}

// closedLoop lets each of many clients begin an act when its last one is done; the times in ms.
func closedLoop(clients int, limit time.Duration, act func() error) ([]float64, error) {
	var group sync.WaitGroup
	times, failures := make([][]float64, clients), make([]error, clients)
	end := time.Now().Add(limit)
	for client := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			for start := time.Now(); start.Before(end); start = time.Now() {
				if failures[client] = act(); failures[client] != nil {
					return
				}
				ms := float64(time.Since(start)) / float64(time.Millisecond)
				times[client] = append(times[client], ms)
			}
		}()
	}
	group.Wait()
	return slices.Concat(times...), errors.Join(failures...)
}

func (n *node) linearRead() error {
	index := n.raft.CommitIndex()
	if err := n.raft.VerifyLeader().Error(); err != nil {
		return err
	}
	for n.raft.AppliedIndex() < index {
		time.Sleep(readDelay)
	}
	return nil
}

func percentile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func residentBytes() int64 {
	status, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(status))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

package bench_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is the result of a run of requests.
type load struct {
	took      time.Duration
	latencies []time.Duration
	refused   int // answered with anything but 200
}

func (l load) perSecond() float64 { return float64(len(l.latencies)) / l.took.Seconds() }

// webhookCalls returns the raw requests of stock webhooks.
func webhookCalls(shops int, numbers []string) [][]byte {
	list := make([][]byte, len(numbers))
	for i, number := range numbers {
		list[i] = fmt.Appendf(nil, "GET /webhooks.php?type=stockUpdate&username=%s&password=%s&number=%s HTTP/1.1\r\nHost: hooks.example.dk\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n",
			shopName(i%shops), code, url.QueryEscape(number))
	}
	return list
}

// send sends requests over the given number of kept-alive connections, each as soon as the
// previous one is answered. It is lean, since its cost is part of both sides of a comparison
// and hides their difference.
func send(b *testing.B, address string, connections int, requests [][]byte) load {
	b.Helper()
	l := load{latencies: make([]time.Duration, len(requests))}
	conns := make([]net.Conn, connections)
	for i := range conns {
		var err error
		conns[i], err = net.Dial("tcp", address)
		must(b, err)
		defer conns[i].Close()
	}
	var next, refused atomic.Int64
	var failed atomic.Pointer[error]
	var sending sync.WaitGroup
	began := time.Now()
	for _, conn := range conns {
		sending.Go(func() {
			in := bufio.NewReaderSize(conn, 4<<10)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				sent := time.Now()
				_, err := conn.Write(requests[i])
				var ok bool
				if err == nil {
					ok, err = answered(in)
				}
				if err != nil {
					failed.Store(&err)
					return
				}
				if !ok {
					refused.Add(1)
				}
				l.latencies[i] = time.Since(sent)
			}
		})
	}
	sending.Wait()
	l.took = time.Since(began)
	if err := failed.Load(); err != nil {
		b.Fatalf("send requests to %s: %v", address, *err)
	}
	l.refused = int(refused.Load())
	return l
}

var contentLength = []byte("content-length:")

// answered reads one answer and reports whether it is a 200.
func answered(in *bufio.Reader) (ok bool, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	ok = bytes.Contains(line, []byte(" 200 "))
	length := 0
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return false, err
		}
		if len(line) <= 2 {
			break
		}
		if len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], contentLength) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):]))); err != nil {
				return false, err
			}
		}
	}
	_, err = in.Discard(length)
	return ok, err
}

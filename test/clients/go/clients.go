package main

import (
	"fmt"
	"os"
	"sync"

	"github.com/apache/rocketmq-client-go/v2"
)

// All clients of the process, under the names that "as" gives them, until they are stopped.
type clients struct {
	journal      *journal
	lock         sync.Mutex
	producers    map[string]rocketmq.Producer
	transactions map[string]*transactions
	pulls        map[string]*pull
	stops        map[string]func() error
}

func newClients(journal *journal) *clients {
	return &clients{
		journal:      journal,
		producers:    map[string]rocketmq.Producer{},
		transactions: map[string]*transactions{},
		pulls:        map[string]*pull{},
		stops:        map[string]func() error{},
	}
}

func (c *clients) commands() map[string]command {
	return map[string]command{
		"producer":            c.startProducer,
		"send":                c.send,
		"transactionProducer": c.startTransactionProducer,
		"sendHalf":            c.sendHalf,
		"push":                c.startPush,
		"pullConsumer":        c.startPull,
		"pull":                c.pull,
		"updateOffset":        c.updateOffset,
		"stop":                c.stop,
	}
}

// A name of its own gives each its own connections.
func instanceOf(call arguments) string {
	return call.text("instance", fmt.Sprintf("%s-%d", call.text("as", ""), os.Getpid()))
}

func (c *clients) keep(as string, stop func() error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.stops[as] = stop
}

func (c *clients) stop(call arguments) (any, error) {
	c.lock.Lock()
	stop := c.stops[call.text("as", "")]
	delete(c.stops, call.text("as", ""))
	c.lock.Unlock()
	return nil, stop()
}

func (c *clients) stopAll() {
	c.lock.Lock()
	defer c.lock.Unlock()
	for as, stop := range c.stops {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, as, "did not stop:", err)
		}
	}
}

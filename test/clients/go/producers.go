package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const (
	asyncInFlight = 64
	batchCount    = 10
	smallBody     = 64
	sendTimeout   = 15 * time.Second // As in the Java client, for a machine that is busy.
)

// A named queue, else the one that the sharding key selects, else the next.
type selector struct {
	next producer.QueueSelector
}

func (s selector) Select(message *primitive.Message, queues []*primitive.MessageQueue, last string) *primitive.MessageQueue {
	if message.Queue != nil {
		return message.Queue
	}
	if key, err := strconv.Atoi(message.GetShardingKey()); err == nil {
		for _, queue := range queues {
			if queue.QueueId == key%len(queues) {
				return queue
			}
		}
	}
	return s.next.Select(message, queues, last)
}

func (c *clients) startProducer(call arguments) (any, error) {
	started, err := rocketmq.NewProducer(
		producer.WithNameServer([]string{call.text("nameServer", "")}),
		producer.WithGroupName(call.text("group", "producers")),
		producer.WithInstanceName(instanceOf(call)),
		producer.WithQueueSelector(selector{producer.NewRoundRobinQueueSelector()}),
		producer.WithSendMsgTimeout(sendTimeout),
		producer.WithRetry(2),
	)
	if err != nil {
		return nil, err
	}
	if err := started.Start(); err != nil {
		return nil, err
	}
	c.lock.Lock()
	c.producers[call.text("as", "")] = started
	c.lock.Unlock()
	c.keep(call.text("as", ""), started.Shutdown)
	return nil, nil
}

func (c *clients) send(call arguments) (any, error) {
	c.lock.Lock()
	sender := c.producers[call.text("as", "")]
	c.lock.Unlock()
	from, count := call.number("from", 0), call.number("count", 1)
	switch mode := call.text("mode", "sync"); mode {
	case "sync", "queue", "selector":
		for id := from; id < from+count; id++ {
			c.sendOne(sender, call, id)
			time.Sleep(time.Duration(call.number("everyMs", 0)) * time.Millisecond)
		}
	case "oneway":
		for id := from; id < from+count; id++ {
			c.sendOneway(sender, call, id)
		}
	case "async":
		c.sendAsync(sender, call, from, count)
	case "batch":
		c.sendBatches(sender, call, from, count)
	default:
		return nil, fmt.Errorf("no mode is called %s", mode)
	}
	return nil, nil
}

func (c *clients) sendOne(sender rocketmq.Producer, call arguments, id int) {
	result, err := sender.SendSync(context.Background(), messageOf(call, id))
	if err != nil {
		c.journal.unsent(call.text("as", ""), id, err)
		return
	}
	c.journal.sent(call.text("as", ""), id, result)
}

func (c *clients) sendOneway(sender rocketmq.Producer, call arguments, id int) {
	by := call.text("as", "")
	if err := sender.SendOneWay(context.Background(), messageOf(call, id)); err != nil {
		c.journal.unsent(by, id, err)
		return
	}
	c.journal.line(map[string]any{"event": "thrown", "by": by, "id": id})
}

func (c *clients) sendAsync(sender rocketmq.Producer, call arguments, from, count int) {
	by := call.text("as", "")
	room := make(chan struct{}, asyncInFlight)
	var answered sync.WaitGroup
	for id := from; id < from+count; id++ {
		room <- struct{}{}
		answered.Add(1)
		settle := func(id int, result *primitive.SendResult, err error) {
			if err != nil {
				c.journal.unsent(by, id, err)
			} else {
				c.journal.sent(by, id, result)
			}
			<-room
			answered.Done()
		}
		number := id
		err := sender.SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			settle(number, result, err)
		}, messageOf(call, id))
		if err != nil {
			settle(number, nil, err)
		}
	}
	answered.Wait()
}

func (c *clients) sendBatches(sender rocketmq.Producer, call arguments, from, count int) {
	by, size := call.text("as", ""), call.number("batch", batchCount)
	for first := from; first < from+count; first += size {
		messages := []*primitive.Message{}
		for id := first; id < min(first+size, from+count); id++ {
			messages = append(messages, messageOf(call, id))
		}
		result, err := sender.SendSync(context.Background(), messages...)
		if err != nil {
			c.journal.unsent(by, first, err)
			continue
		}
		c.journal.sentBatch(by, first, len(messages), result)
	}
}

func messageOf(call arguments, id int) *primitive.Message {
	message := primitive.NewMessage(call.text("topic", ""), bodyOf(id, call.number("bytes", smallBody)))
	if tag, there := inTurn(call["tags"], id); there {
		message.WithTag(tag)
	}
	if call.on("keys") {
		message.WithKeys([]string{fmt.Sprintf("key-%d", id)})
	}
	if delays, _ := call["delays"].([]any); len(delays) > 0 {
		delay, _ := delays[id%len(delays)].(map[string]any)
		delayBy(message, delay)
	}
	properties, _ := call["properties"].(map[string]any)
	for name, values := range properties {
		if value, there := inTurn(values, id); there {
			message.WithProperty(name, value)
		}
	}
	switch call.text("mode", "sync") {
	case "queue":
		message.Queue = queueOf(call)
	case "selector":
		// What shares a remainder keeps its order: the same queue.
		message.WithShardingKey(strconv.Itoa(id))
	}
	return message
}

// The client has a method for levels only; the others are sent as the properties that they are.
func delayBy(message *primitive.Message, delay map[string]any) {
	for name, value := range delay {
		number := int64(value.(float64))
		switch name {
		case "level":
			message.WithDelayTimeLevel(int(number))
		case "seconds":
			message.WithProperty("TIMER_DELAY_SEC", strconv.FormatInt(number, 10))
		case "ms":
			message.WithProperty("TIMER_DELAY_MS", strconv.FormatInt(number, 10))
		case "afterMs":
			message.WithProperty("TIMER_DELIVER_MS", strconv.FormatInt(time.Now().UnixMilli()+number, 10))
		}
	}
}

func queueOf(call arguments) *primitive.MessageQueue {
	return &primitive.MessageQueue{
		Topic: call.text("topic", ""), BrokerName: call.text("broker", ""), QueueId: call.number("queueId", 0),
	}
}

package main

import (
	"context"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

const (
	threads = 4
	pullMax = 32
)

var fromWhere = map[string]consumer.ConsumeFromWhere{
	"CONSUME_FROM_FIRST_OFFSET": consumer.ConsumeFromFirstOffset,
	"CONSUME_FROM_LAST_OFFSET":  consumer.ConsumeFromLastOffset,
	"CONSUME_FROM_TIMESTAMP":    consumer.ConsumeFromTimestamp,
}

func consumerOptions(call arguments) []consumer.Option {
	options := []consumer.Option{
		consumer.WithNameServer([]string{call.text("nameServer", "")}),
		consumer.WithGroupName(call.text("group", "")),
		consumer.WithInstance(instanceOf(call)),
		consumer.WithConsumeFromWhere(fromWhere[call.text("from", "CONSUME_FROM_FIRST_OFFSET")]),
		consumer.WithConsumerOrder(call.on("orderly")),
		consumer.WithConsumerModel(consumer.Clustering),
		consumer.WithConsumeGoroutineNums(call.number("threads", threads)),
	}
	if call.on("broadcasting") {
		options = append(options, consumer.WithConsumerModel(consumer.BroadCasting))
	}
	if call.has("maxReconsumeTimes") {
		options = append(options, consumer.WithMaxReconsumeTimes(int32(call.number("maxReconsumeTimes", 0))))
	}
	if call.has("timestamp") {
		options = append(options, consumer.WithConsumeTimestamp(call.text("timestamp", "")))
	}
	return options
}

func filterOf(call arguments) consumer.MessageSelector {
	if call.has("sql") {
		return consumer.MessageSelector{Type: consumer.SQL92, Expression: call.text("sql", "")}
	}
	return consumer.MessageSelector{Type: consumer.TAG, Expression: call.text("tags", "*")}
}

// A consumer that is handed its messages, and writes down each.
func (c *clients) startPush(call arguments) (any, error) {
	by := call.text("as", "")
	push, err := rocketmq.NewPushConsumer(consumerOptions(call)...)
	if err != nil {
		return nil, err
	}
	handle := func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		return c.handle(ctx, call, messages[0])
	}
	if err := push.Subscribe(call.text("topic", ""), filterOf(call), handle); err != nil {
		return nil, err
	}
	if err := push.Start(); err != nil {
		return nil, err
	}
	c.keep(by, push.Shutdown)
	return nil, nil
}

// One at a time, as consumers are set up. "failures" says how often a message fails, by its number. With "handled" its end
// stands in the journal, too.
func (c *clients) handle(ctx context.Context, call arguments, message *primitive.MessageExt) (consumer.ConsumeResult, error) {
	by := call.text("as", "")
	id, _ := idOf(message.Body)
	failures, _ := call["failures"].([]any)
	fails := len(failures) > 0 && float64(message.ReconsumeTimes) < failures[id%len(failures)].(float64)
	if !fails {
		c.journal.consumed(by, message, "done")
	} else {
		c.journal.consumed(by, message, "failed")
	}
	time.Sleep(time.Duration(call.number("takesMs", 0)) * time.Millisecond)
	if call.on("handled") {
		c.journal.line(map[string]any{"event": "handled", "by": by, "id": id, "topic": message.Topic, "us": nowUs()})
	}
	if !fails {
		return consumer.ConsumeSuccess, nil
	}
	if call.on("orderly") {
		if orderly, there := primitive.GetOrderlyCtx(ctx); there && call.has("suspendMs") {
			orderly.SuspendCurrentQueueTimeMillis = call.number("suspendMs", 0)
		}
		return consumer.SuspendCurrentQueueAMoment, nil
	}
	if concurrent, there := primitive.GetConcurrentlyCtx(ctx); there {
		concurrent.DelayLevelWhenNextConsume = call.number("delayLevel", 0)
	}
	return consumer.ConsumeRetryLater, nil
}

// A consumer that pulls from one queue at an offset.
type pull struct {
	consumer rocketmq.PullConsumer
}

var pullStatus = map[primitive.PullStatus]string{
	primitive.PullFound:         "FOUND",
	primitive.PullNoNewMsg:      "NO_NEW_MSG",
	primitive.PullNoMsgMatched:  "NO_MATCHED_MSG",
	primitive.PullOffsetIllegal: "OFFSET_ILLEGAL",
	primitive.PullBrokerTimeout: "BROKER_TIMEOUT",
}

func (c *clients) startPull(call arguments) (any, error) {
	puller, err := rocketmq.NewPullConsumer(consumerOptions(call)...)
	if err != nil {
		return nil, err
	}
	if err := puller.Subscribe(call.text("topic", ""), filterOf(call)); err != nil {
		return nil, err
	}
	if err := puller.Start(); err != nil {
		return nil, err
	}
	c.lock.Lock()
	c.pulls[call.text("as", "")] = &pull{puller}
	c.lock.Unlock()
	c.keep(call.text("as", ""), puller.Shutdown)
	return nil, nil
}

func (c *clients) pullOf(call arguments) rocketmq.PullConsumer {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.pulls[call.text("as", "")].consumer
}

func (c *clients) pull(call arguments) (any, error) {
	offset, max := int64(call.number("offset", 0)), call.number("max", pullMax)
	pulled, err := c.pullOf(call).PullFrom(context.Background(), queueOf(call), offset, max)
	if err != nil {
		return nil, err
	}
	messages := []any{}
	for _, message := range pulled.GetMessageExts() {
		line := described(message)
		line["queueId"] = call.number("queueId", 0)
		messages = append(messages, line)
	}
	return map[string]any{
		"status": pullStatus[pulled.Status], "next": pulled.NextBeginOffset,
		"min": pulled.MinOffset, "max": pulled.MaxOffset, "messages": messages,
	}, nil
}

func (c *clients) updateOffset(call arguments) (any, error) {
	puller := c.pullOf(call)
	if err := puller.UpdateOffset(queueOf(call), int64(call.number("offset", 0))); err != nil {
		return nil, err
	}
	return nil, puller.PersistOffset(context.Background(), call.text("topic", ""))
}

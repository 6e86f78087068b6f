import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { FakeClock } from '../../testing/fake-clock.ts';
import { Logs } from './logs.ts';

function logsUnderTest(readable: boolean): { logs: Logs; clock: FakeClock; written: () => string } {
  const stream = new PassThrough();
  const clock = new FakeClock();
  const logs = new Logs({ stream, clock, level: 'info', readable });
  return { logs, clock, written: () => String(stream.read() ?? '') };
}

test('an event is a JSON line with kind, level, time and message, written at once', () => {
  const { logs, clock, written } = logsUnderTest(false);
  logs.events.warn('store is gone', { store: 'redis', text: 'two\nlines \u0085\u2028' });
  const line = written();
  assert.match(line, /^[^\n\u0085\u2028]+\n$/);
  const event = JSON.parse(line);
  assert.equal(event.kind, 'event');
  assert.equal(event.level, 'warn');
  assert.equal(event.message, 'store is gone');
  assert.equal(event.store, 'redis');
  assert.equal(Date.parse(event.time), Math.floor(clock.wallUs() / 1000));
});

test('the level can be changed while it runs', () => {
  const { logs, written } = logsUnderTest(false);
  logs.events.debug('unheard');
  assert.equal(written(), '');
  logs.events.level = 'debug';
  logs.events.debug('heard');
  assert.equal(JSON.parse(written()).message, 'heard');
});

test('on a terminal a line is for people and holds no escape sequence', () => {
  const { logs, written } = logsUnderTest(true);
  logs.events.info('listening', { address: '127.0.0.1:8080', '\u001b[31mred': '\u001b[2J', count: 3 });
  const line = written();
  assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} {2}info {3}listening {2}address=127\.0\.0\.1:8080/);
  assert.ok(!line.includes('\u001b'));
});

test('both logs of a process go through one stream, line by line', () => {
  const { logs, written } = logsUnderTest(false);
  assert.equal(logs.access(false), undefined);
  logs.events.info('one');
  logs.flush();
  assert.equal(written().split('\n').length, 2);
});

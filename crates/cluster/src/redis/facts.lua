-- Keeps what a server offers, unless there is something later of the same name, and says what is new since it last asked. One atomic step.
--   <prefix>:f:<shelf>:text   HASH  name -> "<ms> <node> <until> <text>"
--   <prefix>:f:<shelf>:seq    ZSET  name -> its place in the order in which they came
--   <prefix>:f:<shelf>:until  ZSET  name -> until when, in s
--   <prefix>:f:<shelf>:last   the last place that was given
--   <prefix>:f:<shelf>:epoch  what this count is called: after a loss of memory it is another one
-- Says: epoch, last place looked at, whether there are more, how many offers were refused, and names and what they say in turns.
local P, shelf, known_epoch, since = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local limit, most, bytes, new_epoch = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local K = P .. ':f:' .. shelf
local texts, order, ends, last, epoch_key = K .. ':text', K .. ':seq', K .. ':until', K .. ':last', K .. ':epoch'

local function forget_all()
  redis.call('DEL', texts, order, ends, last)
  redis.call('SET', epoch_key, new_epoch)
  return new_epoch
end

local function run()
  local epoch = redis.call('GET', epoch_key)
  local count = redis.call('HLEN', texts)
  if not epoch or count ~= redis.call('ZCARD', order) or count ~= redis.call('ZCARD', ends) then
    epoch = forget_all()
  end
  local now = redis.call('TIME')[1]
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 256)) do
    redis.call('HDEL', texts, name)
    redis.call('ZREM', order, name)
    redis.call('ZREM', ends, name)
  end

  local refused, is_new = 0, false
  for at = 8, #ARGV, 5 do
    local name, ms, node, til, text = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
    local before = redis.call('HGET', texts, name)
    local old_ms, old_node = string.match(before or '', '^(%d+) (%x+) ')
    old_ms, ms = tonumber(old_ms or -1), tonumber(ms)
    if tonumber(til) > tonumber(now) and (ms > old_ms or (ms == old_ms and node > old_node)) then
      if not before and redis.call('HLEN', texts) >= limit then
        refused = refused + 1
      else
        redis.call('HSET', texts, name, ARGV[at + 1] .. ' ' .. node .. ' ' .. til .. ' ' .. text)
        redis.call('ZADD', order, redis.call('INCR', last), name)
        redis.call('ZADD', ends, til, name)
        is_new = true
      end
    end
  end
  if is_new then redis.call('PUBLISH', P .. ':all', shelf) end

  if epoch ~= known_epoch or since > tonumber(redis.call('GET', last) or 0) then since = 0 end
  local found = redis.call('ZRANGEBYSCORE', order, '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  local said = { epoch, tostring(since), '0', tostring(refused) }
  local length = 0
  for at = 1, #found, 2 do
    if length > bytes then
      said[3] = '1'
      break
    end
    local text = redis.call('HGET', texts, found[at]) or ''
    length = length + #found[at] + #text
    said[2] = found[at + 1]
    said[#said + 1] = found[at]
    said[#said + 1] = text
  end
  if #found == 2 * most then said[3] = '1' end
  return said
end

local is_whole, said = pcall(run)
if is_whole then return said end
-- Something else lies where facts should be. Whoever knows any tells them again.
forget_all()
return run()

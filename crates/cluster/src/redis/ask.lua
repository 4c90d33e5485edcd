-- Offers one who waits: takes the best of the others together with him, or lets him wait. One atomic step.
--   KEYS[1]           what all keys begin with
--   <prefix>:q:<pool>             ZSET  ticket -> since when, in ms: all who wait
--   <prefix>:i:<pool>:<interest>  ZSET  the same of those who like that
--   <prefix>:t:<ticket>           HASH  what the ticket says
--   <prefix>:o:<ticket>           what has become of it: asking again gives the same answer
--   <prefix>:n:<node>             lease of a server
local P = KEYS[1] .. ':'
local ticket, who, key, pool = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local interests, language, never, met = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local node = string.sub(ticket, 1, 16)
local lives, kept, scanned = ARGV[13], ARGV[14], tonumber(ARGV[15])

local outcome = redis.call('GET', P .. 'o:' .. ticket)
if outcome then return outcome end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local any_interest, any_language, not_new = now + ARGV[9], now + ARGV[10], now + ARGV[11]
local since = now - ARGV[12]

local function queues(pool, interests)
  local names = { P .. 'q:' .. pool }
  for interest in string.gmatch(interests, '[^,]+') do
    names[#names + 1] = P .. 'i:' .. pool .. ':' .. interest
  end
  return names
end

local function take(ticket, pool, interests)
  for _, queue in ipairs(queues(pool, interests)) do redis.call('ZREM', queue, ticket) end
  redis.call('DEL', P .. 't:' .. ticket)
end

local function has(list, item)
  return item ~= '' and string.find(',' .. list .. ',', ',' .. item .. ',', 1, true) ~= nil
end

local leases = {}
local function is_there(node)
  if leases[node] == nil then leases[node] = redis.call('EXISTS', P .. 'n:' .. node) == 1 end
  return leases[node]
end

local likes = {}
for interest in string.gmatch(interests, '[^,]+') do likes[interest] = true end

local best, best_rank, best_since
local seen = { [ticket] = true }
-- Whether the holder of a ticket will do, and how well: the smaller the better, as docs/matching.md says.
local function weigh(other, queue)
  if seen[other] then return end
  seen[other] = true
  local it = redis.call('HMGET', P .. 't:' .. other,
    'node', 'who', 'key', 'interests', 'language', 'never', 'met', 'any_interest', 'any_language', 'not_new', 'since')
  if not it[1] then
    redis.call('ZREM', queue, other)
    return
  end
  if it[1] == node then return end
  if not is_there(it[1]) then
    take(other, pool, it[4])
    return
  end
  if has(never, it[2]) or has(never, it[3]) or has(it[6], who) or has(it[6], key) then return end
  if key ~= '' and key == it[3] then return end
  local shared = 0
  for interest in string.gmatch(it[4], '[^,]+') do
    if likes[interest] then shared = shared + 1 end
  end
  if shared == 0 and (now < any_interest or now < tonumber(it[8])) then return end
  local named = language ~= '' and it[5] ~= ''
  local unlike = named and language ~= it[5]
  if unlike and (now < any_language or now < tonumber(it[9])) then return end
  local is_met = has(met, it[2]) or has(it[7], who)
  if is_met and (now < not_new or now < tonumber(it[10])) then return end
  local rank = (is_met and 64 or 0) + (unlike and 32 or 0) + (10 - math.min(shared, 10)) * 2
    + ((named and not unlike) and 0 or 1)
  local waits_since = tonumber(it[11])
  if not best or rank < best_rank or (rank == best_rank and waits_since < best_since) then
    best, best_rank, best_since = { other, it[2], it[4] }, rank, waits_since
  end
end

for at, queue in ipairs(queues(pool, interests)) do
  if at > 1 or now >= any_interest then
    for _, other in ipairs(redis.call('ZRANGE', queue, 0, scanned - 1)) do weigh(other, queue) end
  end
end

if best then
  take(best[1], pool, best[3])
  take(ticket, pool, interests)
  local found = 'found ' .. best[1] .. ' ' .. best[2]
  redis.call('SET', P .. 'o:' .. best[1], 'taken', 'PX', kept)
  redis.call('SET', P .. 'o:' .. ticket, found, 'PX', kept)
  return found
end

redis.call('HSET', P .. 't:' .. ticket, 'node', node, 'who', who, 'key', key, 'pool', pool, 'interests', interests,
  'language', language, 'never', never, 'met', met, 'any_interest', any_interest, 'any_language', any_language,
  'not_new', not_new, 'since', since)
redis.call('PEXPIRE', P .. 't:' .. ticket, lives)
for _, queue in ipairs(queues(pool, interests)) do
  redis.call('ZADD', queue, since, ticket)
  redis.call('PEXPIRE', queue, kept)
end
return 'waits'

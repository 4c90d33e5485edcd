-- A server says that it is there, and hears which others are: names and what each says of itself, in turns.
--   <prefix>:n:<node>  what it says of itself, for as long as the lease lasts
--   <prefix>:nodes     ZSET  node -> until when the lease lasts, in ms
local P, node, lease = KEYS[1] .. ':', ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', P .. 'n:' .. node, ARGV[3], 'PX', lease)
redis.call('ZADD', P .. 'nodes', now + lease, node)
redis.call('ZREMRANGEBYSCORE', P .. 'nodes', '-inf', '(' .. now)
local said = {}
for _, other in ipairs(redis.call('ZRANGE', P .. 'nodes', 0, 255)) do
  said[#said + 1] = other
  said[#said + 1] = redis.call('GET', P .. 'n:' .. other) or ''
end
return said

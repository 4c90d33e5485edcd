-- Offers a ticket no longer, and no more either if the offer is on its way still. ask.lua says what the keys are.
local P, ticket = KEYS[1] .. ':', ARGV[1]
if redis.call('SET', P .. 'o:' .. ticket, 'withdrawn', 'NX', 'PX', ARGV[2]) then
  local it = redis.call('HMGET', P .. 't:' .. ticket, 'pool', 'interests')
  if it[1] then
    redis.call('ZREM', P .. 'q:' .. it[1], ticket)
    for interest in string.gmatch(it[2], '[^,]+') do
      redis.call('ZREM', P .. 'i:' .. it[1] .. ':' .. interest, ticket)
    end
    redis.call('DEL', P .. 't:' .. ticket)
  end
end
return 'withdrawn'

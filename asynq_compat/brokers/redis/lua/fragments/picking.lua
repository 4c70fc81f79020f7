-- picking: every step-th argument from a first one on.
local function pick(first, step)
  local picked = {}
  for at = first, #ARGV, step do
    picked[#picked + 1] = ARGV[at]
  end
  return picked
end

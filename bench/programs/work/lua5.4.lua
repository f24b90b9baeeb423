-- Tables, strings and closures by the hundred thousand.
local by, names = {}, {}
for i = 1, 110000 do
	local k = "dir" .. (i * 7919 % 2003)
	by[k] = by[k] or {}
	table.insert(by[k], "file-" .. (i * 31 % 50021))
	names[i] = k .. "/" .. i
end
table.sort(names)
local keys, t = {}, 0
for k in pairs(by) do keys[#keys + 1] = k end
table.sort(keys)
for _, k in ipairs(keys) do t = t + #table.concat(by[k], ",") end
local function tree(depth)
	if depth == 0 then return {} end
	return { tree(depth - 1), tree(depth - 1), function() return depth end }
end
local n = 0
for _ = 1, 6 do
	local function count(node) return node[1] and node[3]() + count(node[1]) + count(node[2]) or 1 end
	n = n + count(tree(12))
end
print(#keys, t, n, names[1], names[#names])

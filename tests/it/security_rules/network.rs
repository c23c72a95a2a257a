//! Networks, organizations and accounts.

use serde_json::{Value, json};

use super::records::{call, failed, read, with};
use super::{Case, case};
use crate::fixture::records::ACCOUNT;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "security-group-changed",
            &[
                call("ec2", "AuthorizeSecurityGroupIngress", json!({"groupId": "sg-1"})),
                call(
                    "ec2",
                    "ModifySecurityGroupRules",
                    json!({"ModifySecurityGroupRulesRequest": {"GroupId": "sg-1"}}),
                ),
            ],
            &[
                with(
                    call("ec2", "RevokeSecurityGroupEgress", json!({"groupId": "sg-1"})),
                    json!({"errorCode": "Client.InvalidPermission.NotFound"}),
                ),
                read("ec2", "DescribeSecurityGroups"),
                call("elasticache", "CreateCacheSecurityGroup", Value::Null),
            ],
        ),
        case(
            "network-acl-changed",
            &[call("ec2", "CreateNetworkAclEntry", json!({"networkAclId": "acl-1"}))],
            &[
                failed(call("ec2", "CreateNetworkAclEntry", json!({"networkAclId": "acl-1"}))),
                read("ec2", "DescribeNetworkAcls"),
            ],
        ),
        case(
            "network-gateway-changed",
            &[call("ec2", "AttachInternetGateway", json!({"internetGatewayId": "igw-1", "vpcId": "vpc-1"}))],
            &[
                failed(call("ec2", "AttachInternetGateway", json!({"internetGatewayId": "igw-1"}))),
                read("ec2", "DescribeInternetGateways"),
                call("ec2", "CreateNatGateway", json!({"subnetId": "subnet-1"})),
            ],
        ),
        case(
            "route-table-changed",
            &[call("ec2", "ReplaceRoute", json!({"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"}))],
            &[
                failed(call("ec2", "ReplaceRoute", json!({"routeTableId": "rtb-1"}))),
                read("ec2", "DescribeRouteTables"),
                call("appmesh", "CreateRoute", json!({"meshName": "orders"})),
            ],
        ),
        case(
            "vpc-changed",
            &[call("ec2", "ModifyVpcAttribute", json!({"vpcId": "vpc-1", "enableDnsSupport": {"value": false}}))],
            &[
                with(
                    call("ec2", "CreateVpc", json!({"cidrBlock": "10.0.0.0/16"})),
                    json!({"errorCode": "Client.VpcLimitExceeded"}),
                ),
                call("ec2", "CreateVpcEndpoint", json!({"vpcId": "vpc-1"})),
                read("ec2", "DescribeVpcs"),
            ],
        ),
        case(
            "organization-changed",
            &[
                call("organizations", "DetachPolicy", json!({"policyId": "p-1", "targetId": ACCOUNT})),
                call("organizations", "RemoveAccountFromOrganization", json!({"accountId": ACCOUNT})),
            ],
            &[
                failed(call("organizations", "DetachPolicy", Value::Null)),
                read("organizations", "ListAccounts"),
                read("organizations", "DescribePolicy"),
            ],
        ),
        case(
            "organization-leave-attempted",
            &[
                call("organizations", "LeaveOrganization", Value::Null),
                failed(call("organizations", "LeaveOrganization", Value::Null)),
            ],
            &[
                read("organizations", "DescribeOrganization"),
                call("organizations", "DeclineHandshake", json!({"handshakeId": "h-1"})),
            ],
        ),
        case(
            "account-contact-changed",
            &[
                call("account", "PutAlternateContact", json!({"alternateContactType": "SECURITY"})),
                call("account", "AcceptPrimaryEmailUpdate", json!({"accountId": ACCOUNT})),
            ],
            &[
                failed(call("account", "PutAlternateContact", json!({"alternateContactType": "SECURITY"}))),
                read("account", "GetAlternateContact"),
            ],
        ),
    ]
}

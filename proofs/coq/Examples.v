(* Small checks with numbers: the definitions of this development mean what their names say, and the
   hypotheses of its main theorems can be met.

   Definitions: the norm of (3, 4) is 5; the softmax of (0, ln 3) is (1/4, 3/4); a layer reads its weights row
   by row and then its biases, and a perceptron layer by layer, no parameter twice; attention that sees one
   token returns its value; LayerNorm sends a constant vector to the shifts; a student whose two logits are
   its two parameters steps by softmax(teacher) - softmax(student); two steps of size 1/2 on a linear model go
   3/4 of the way to the teacher.
   Hypotheses: a tanh network with one hidden unit, whose trait is a bias, satisfies at every th0 the second
   alternative of the one-step theorem and the premises of the many-step theorem; the threshold 2 q / D of the
   squared error is attained. *)
From Coq Require Import Reals Lra Lia Arith List.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep Alternatives Thresholds Perceptron Networks.
From Subtheory Require Import Attention StableSteps ManySteps LinearSteps ManyStepsNetworks OneOutput.
Import ListNotations.
Open Scope R_scope.

(* --- definitions --- *)
Fact nrm_example : nrm 2 (vec2 3 4) = 5.
Proof. unfold nrm, dot. simpl. replace (0 + 3 * 3 + 4 * 4) with (5 * 5) by ring. apply sqrt_square. lra. Qed.

Fact softmax_example : softmax 2 (vec2 0 (ln 3)) 0%nat = / 4 /\ softmax 2 (vec2 0 (ln 3)) 1%nat = 3 / 4.
Proof. unfold softmax, sumexp. simpl. rewrite exp_0, exp_ln by lra. split; field. Qed.

(* the weights b = 1 give the plain squared error *)
Fact wmse_example n z y : wmse n (fun _ => 1) z y = mse n z y.
Proof. unfold wmse, mse. f_equal. apply rsum_ext. intros i Hi. ring. Qed.

Fact student_step_wmse_example m n w f th0 u e j :
  student_step m (wmse n (fun _ => 1)) w f th0 u e j = student_step m (mse n) w f th0 u e j.
Proof.
  unfold student_step, gstep, grad, imitation. f_equal. apply Derive_ext. intros t.
  apply rsum_ext. intros x Hx. rewrite wmse_example. reflexivity.
Qed.

(* weights 1, 2, 3, 4, biases 5, 6, input (10, 100) *)
Fact affine_example : let th j := INR (S j) in
  affine 2 2 0 th (vec2 10 100) 0%nat = 215 /\ affine 2 2 0 th (vec2 10 100) 1%nat = 436.
Proof. unfold affine. simpl. split; ring. Qed.

(* one input, one hidden unit, two outputs: six parameters, each used once *)
Fact mlp_example act th x : let z := act (th 0%nat * x 0%nat + th 1%nat) in
  nparams 1 [1; 2]%nat = 6%nat /\
  mlp act 1 [1; 2]%nat 0 th x 0%nat = th 2%nat * z + th 4%nat /\
  mlp act 1 [1; 2]%nat 0 th x 1%nat = th 3%nat * z + th 5%nat.
Proof. unfold mlp, affine. simpl. rewrite !Rplus_0_l. repeat split; reflexivity. Qed.

Fact attention_example vis c d dk off th x t i : vis t = 1%nat ->
  attention vis c d dk off th x t i = value d dk off th x 0%nat i.
Proof.
  intros H. unfold attention. rewrite H. cbn [rsum].
  pose proof (softmax_sum 1 (score c d dk off th x t) Nat.lt_0_1) as E. cbn [rsum] in E.
  rewrite Rplus_0_l in *. rewrite E. ring.
Qed.

Fact layer_norm_constant_example d eps off th c i : (0 < d)%nat ->
  layer_norm d eps off th (fun _ => c) i = th (off + d + i)%nat.
Proof.
  intros Hd. unfold layer_norm, average. rewrite rsum_const.
  replace (c - INR d * c / INR d) with 0 by (field; apply not_0_INR; lia). unfold Rdiv. ring.
Qed.

(* (1, -1) has mean 0 and variance 1; with eps = 3 it is divided by 2 *)
Fact layer_norm_example th : layer_norm 2 3 0 th (vec2 1 (-1)) 0%nat = th 0%nat / 2 + th 2%nat.
Proof.
  unfold layer_norm, spread, average. simpl.
  match goal with |- context [sqrt ?s] => replace s with (2 * 2) by field end.
  rewrite sqrt_square by lra. field.
Qed.

(* logits = parameters: from (0, 0) a teacher at (ln 3, 0) pulls the student by (3/4, 1/4) - (1/2, 1/2) *)
Fact student_step_example :
  let v := student_step 1 (cross_entropy 2) (fun _ => 1) (fun _ th => th) (vec2 0 0) (vec2 (ln 3) 0) 1 in
  v 0%nat = / 4 /\ v 1%nat = - / 4.
Proof.
  assert (Hj : forall i j, (i < 2)%nat -> (j < 2)%nat -> jac (fun _ th => th) (vec2 0 0) 0 i j = delta i j)
    by (intros i j Hi H2; apply (grad_eq 2); [apply has_grad_coord, Hi | exact H2]).
  cbv zeta. split; rewrite (student_step_is 2 2 1 _ _ _ _ _ _ (ce_compatible 2 Nat.lt_0_2)) by
    (lia || (intros x i _ Hi; exists (delta i); apply has_grad_coord, Hi));
    cbn [rsum]; rewrite !Hj by lia; unfold softmax, sumexp, teacher, delta; simpl;
    rewrite !Rplus_0_l, !Rmult_1_l, exp_0, exp_ln by lra; field.
Qed.

(* f(th) = th, two steps of size 1/2: 1 - (1/2)^2 of the way *)
Fact student_example : student 1 (mse 1) (fun _ _ => 1) (fun _ => / 2)
    (linear_model 1 (fun _ _ _ => 1) (fun _ _ => 0)) (vec1 0) (vec1 1) 1 2 0%nat = 3 / 4.
Proof.
  rewrite (linear_model_closed_form 1) by lia. cbn [Nat.iter].
  unfold ggn, push, dot, mse_hess, dot, delta. simpl.
  rewrite !(linear_model_jac 1) by lia. field.
Qed.

(* --- hypotheses --- *)
(* the trait is the first output bias; one input of weight 1, two outputs, cross-entropy: <K u, u> > 0 *)
Lemma bias_seen_example X th0 : let u := fun j => 1 * gstep (fun th => - th 4%nat) th0 j in
  0 < ggn_form 6 2 1 (ce_hess 2) (fun _ => 1) (mlp_outputs tanh 1 [1; 2]%nat X (fun i => i)) th0 u.
Proof.
  intros u. set (f := mlp_outputs _ _ _ _ _).
  assert (Hp : forall i, push 6 f th0 0%nat u i = jac f th0 0%nat i 4%nat).
  { intros i. unfold push. rewrite (dot_ext 6 _ u (jac f th0 0%nat i) (delta 4));
      [apply dot_delta; lia | trivial|].
    intros j Hj. unfold u. rewrite (gstep_is 6 _ th0 (fun l => - delta 4 l)); [ring | | exact Hj].
    apply has_grad_opp, has_grad_coord. lia. }
  apply ce_pos_iff; [lia | intros; lra|]. exists 0%nat, 0%nat, 1%nat. rewrite !Hp.
  assert (H0 : jac f th0 0%nat 0%nat 4%nat = 1).
  { apply is_derive_unique. apply is_derive_ext with (fun t => f 0%nat th0 0%nat + t).
    - intros t. unfold f, mlp_outputs. rewrite !(proj1 (proj2 (mlp_example _ _ _))). unfold seg, delta. simpl.
      rewrite !Rmult_0_r, !Rplus_0_r. ring.
    - auto_derive; [exact I | ring]. }
  assert (H1 : jac f th0 0%nat 1%nat 4%nat = 0).
  { apply is_derive_unique. apply is_derive_ext with (fun _ => f 0%nat th0 1%nat);
      [|apply (is_derive_const (V := R_NormedModule))].
    intros t. unfold f, mlp_outputs. rewrite !(proj2 (proj2 (mlp_example _ _ _))). unfold seg, delta. simpl.
    rewrite !Rmult_0_r, !Rplus_0_r. reflexivity. }
  rewrite H0, H1. repeat split; try lia; lra.
Qed.

(* ten steps of this network lower the trait loss - th_4 *)
Fact many_steps_example X th0 : let LT th := - th 4%nat in
  exists amax, 0 < amax /\ forall alpha, (forall s, (s < 10)%nat -> 0 < alpha s < amax) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> LT (student 1 (cross_entropy 2) (fun _ _ => 1) alpha
    (mlp_outputs tanh 1 [1; 2]%nat X (fun i => i)) th0 (fun j => 1 * gstep LT th0 j) e 10) < LT th0.
Proof.
  intros LT. destruct (many_small_steps_tanh_mlp 1 [1; 2]%nat 1 2 X (fun i => i) (fun _ _ => 1) 10 LT th0 1)
    as [amax [Ha H]]; try lia; try lra; try (intros; lra).
  - intros i Hi. exact Hi.
  - exists (fun j => - delta 4 j). apply has_grad_opp, has_grad_coord. simpl. lia.
  - exists 0%nat. split; [lia|]. rewrite ggn_pull. exact (bias_seen_example X th0).
  - exists amax. split; [exact Ha|]. intros alpha Hal. destruct (H alpha Hal) as [e0 [He0 Hb]].
    exists e0. split; [exact He0|]. intros e He. apply (Hb e He).
Qed.

(* outputs t - t^2: q = 1 and D = 2, so 2 q / D = 1, and the alignment t - t^2 is zero there *)
Fact threshold_example : let g (_ : nat) (t : R) : vec := fun _ => t - t ^ 2 in
  let g1 (_ : nat) (t : R) : vec := fun _ => 1 - 2 * t in
  twice_derivable 1 1 1 g g1 (fun _ _ _ => -2) /\
  forall t, align 1 1 mse_link (fun _ => 1) g (fun x => g1 x 0) t = t - t ^ 2.
Proof.
  split.
  - intros x i t _ _ _. split; auto_derive; trivial; ring.
  - intros t. unfold align, mse_link. simpl. ring.
Qed.
